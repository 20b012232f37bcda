"""`swarm-ext autoscale`: the autoscaler as a service."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import click

from swarm_ext.commands.click_options import option, with_options
from swarm_ext.commands.run_options import CADVISOR_PORT_HELP, RETAIN, SPOOLING
from swarm_ext.errors import UserError
from swarm_ext.sampler import Sampler
from swarm_ext.scaling.labels import ENABLED_LABEL
from swarm_ext.scaling_plan import DOCKER_WARM_UP_SECONDS, plan
from swarm_ext.settings import settings
from swarm_ext.swarm.docker_connection import DockerConnection
from swarm_ext.swarm.docker_labels import labelled_services
from swarm_ext.swarm.docker_swarm import open_docker_swarm
from swarm_ext.without_load.cooperation import log_to_stderr
from swarm_ext.without_load.decision_log import DecisionLog
from swarm_ext.without_load.ending import Ending
from swarm_ext.without_load.nodes import nodes_to_sample
from swarm_ext.without_load.outlet import open_outlet
from swarm_ext.without_load.run_record import ended, new_run, options_given
from swarm_ext.without_load.scaling import Scaling

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from swarm_ext.model import NodeSample, ScalingDecision, ServiceState, Trouble
    from swarm_ext.scaling import ScalingPlan
    from swarm_ext.settings import Settings

logger = logging.getLogger(__name__)

_NAMES = ("target", "target-cores", "scale-in-below", "min-replicas", "max-replicas", "autoscale-interval")
OPTIONS = (
    option(
        "autoscale",
        default="target-utilisation",
        choices=("target-utilisation", "threshold", "target-rate"),
        help="the policy; target-rate needs a load that tells its rate, and so Locust",
    ),
    *(option(name) for name in _NAMES),
    option("autoscale-window"),
    option("scale-in-stabilization", default=300.0),
    option(
        "replica-warm-up",
        default=DOCKER_WARM_UP_SECONDS,
        help="CPU of a replica younger than this is ignored",
    ),
    option("dry-run"),
    option("cadvisor"),
    option("cadvisor-port", help=CADVISOR_PORT_HELP),
    option("sample-interval"),
    option("store"),
    *SPOOLING,
    RETAIN,
    option("run-tags"),
)


@click.command()
@with_options(*OPTIONS)
@click.option(
    "--verbose", is_flag=True, help="Print every decision, not only those that differ from the last."
)
def autoscale(*, verbose: bool, **values: Any) -> None:
    """Scale every service labelled swarm.autoscaler=true, without any load, until Ctrl-C or SIGTERM.

    Labels belong under `deploy.labels`: swarm.autoscaler, swarm.autoscaler.minimum, swarm.autoscaler.maximum. Services
    that come, go or are labelled anew are noticed. Decisions are stored as a run, each with its reason.

    \b
    Examples:
      swarm-ext autoscale --target 0.6
      swarm-ext autoscale --dry-run --verbose
    """  # noqa: D301  # click's mark for a paragraph that keeps its lines
    log_to_stderr()
    if values["autoscale"] == "target-rate":
        raise UserError(
            "--autoscale target-rate needs arrivals to count, which only Locust makes: give it to `locust`, or choose "
            "target-utilisation or threshold"
        )
    chosen = settings(SimpleNamespace(**values, swarm="docker"))
    with ExitStack() as opened:
        swarm = open_docker_swarm(cadvisor_port=chosen.cadvisor_port)
        opened.callback(swarm.close)
        names = _names(opened)
        found = names()
        run = new_run(
            "autoscale",
            options_given(chosen, OPTIONS),
            tags=chosen.run_tags,
            swarm=swarm.kind,
            service=found[0] if len(found) == 1 else None,
        )
        outlet = opened.enter_context(
            open_outlet(run, chosen, uri=values["store"], out=None, retain_days=float(values["retain"]))
        )
        decisions = DecisionLog(every=verbose)

        def decided(decision: ScalingDecision) -> None:
            outlet.keep([decision])
            decisions.add(decision)

        scaling = Scaling(
            run.id,
            swarm,
            names,
            partial(_plan, chosen),
            interval_seconds=chosen.autoscale_interval,
            on_decision=decided,
            on_service_samples=outlet.keep,
        )
        sampler = Sampler(
            run.id,
            nodes_to_sample(chosen.cadvisor, swarm),
            interval_seconds=chosen.sample_interval,
            on_samples=scaling.container_samples,
            on_node_samples=_not_kept,
        )
        troubles = _go_on(scaling, sampler, found)
        run = outlet.end(ended(run, troubles))
    logger.info("Ended: run %s, kept in %s", run.id, outlet.places)
    for trouble in run.troubles:
        logger.warning("trouble: %s, %d ×: %s", trouble.source, trouble.count, trouble.message)


def _go_on(scaling: Scaling, sampler: Sampler, found: Sequence[str]) -> list[Trouble]:
    ending = Ending()
    if not found:
        logger.warning(
            "No service is labelled %s=true: nothing is scaled until one is, under its deploy.labels "
            "(`swarm-ext doctor` tells where labels are)",
            ENABLED_LABEL,
        )
    scaling.start()
    sampler.start()
    ending.wait()
    logger.info("Ending: the services keep the replicas that they have")
    troubles = scaling.stop()
    sampler.stop()
    return [*troubles, *sampler.troubles()]


def _names(opened: ExitStack) -> Callable[[], Sequence[str]]:
    connection = DockerConnection()
    opened.callback(connection.close)
    return lambda: labelled_services(connection, ENABLED_LABEL)


def _plan(chosen: Settings, state: ServiceState) -> ScalingPlan:
    made = plan(chosen, state)
    assert made is not None  # noqa: S101 - for the type checker: a policy is chosen
    return made


def _not_kept(_: Sequence[NodeSample]) -> None:
    """Nodes' samples are `swarm-ext sample`'s business."""
