"""`swarm-ext sample`: samples without any load."""

from __future__ import annotations

import logging
import sys
from contextlib import ExitStack
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import click
import gevent
from msgspec import structs

from swarm_ext.commands.click_options import option, with_options
from swarm_ext.commands.run_options import CADVISOR_PORT_HELP, DURATION, OUT, RETAIN, SPOOLING
from swarm_ext.errors import UserError
from swarm_ext.settings import settings
from swarm_ext.store import DEFAULT_STORE
from swarm_ext.swarm.docker_swarm import open_docker_swarm
from swarm_ext.without_load.cooperation import CLEAR_LINE, log_to_stderr
from swarm_ext.without_load.ending import Ending
from swarm_ext.without_load.nodes import nodes_to_sample
from swarm_ext.without_load.outlet import open_outlet
from swarm_ext.without_load.run_record import ended, new_run, options_given
from swarm_ext.without_load.sampling import Sampling

if TYPE_CHECKING:
    from collections.abc import Mapping

    from swarm_ext.model import Run
    from swarm_ext.settings import Settings
    from swarm_ext.without_load.outlet import Outlet
    from swarm_ext.without_load.tally import Tally

logger = logging.getLogger(__name__)

TERMINAL_SECONDS = 1.0
LOG_SECONDS = 10.0
"""How often progress is told: in place on a terminal, as a line elsewhere."""

OPTIONS = (
    option(
        "swarm",
        default="docker",
        choices=("docker", "none"),
        help="where the nodes are found: docker (in the swarm whose manager DOCKER_HOST leads to) or none (give --cadvisor)",
    ),
    option("cadvisor", help="sample these cAdvisors instead; without --service no swarm is needed then"),
    option("cadvisor-port", help=CADVISOR_PORT_HELP),
    option(
        "service",
        default=None,
        help="follow this service's replicas, too; its stack's name may be left out where that is unambiguous",
    ),
    option("sample-interval"),
    DURATION,
    option(
        "store",
        default=None,
        help=f"where samples and runs are kept (default: {DEFAULT_STORE}; with --out, nowhere)",
    ),
    *SPOOLING,
    OUT,
    RETAIN,
    option("run-tags"),
)


@click.command()
@with_options(*OPTIONS)
def sample(**values: Any) -> None:
    """Sample containers and nodes, without any load, until --duration, Ctrl-C or SIGTERM.

    The nodes are those of the Docker swarm, as they come and go. What is sampled is a run: `swarm-ext runs` and
    `swarm-report` read it like any other.

    \b
    Examples:
      swarm-ext sample --duration 60
      swarm-ext sample --cadvisor http://localhost:8070 --out samples.csv
    """  # noqa: D301  # click's mark for a paragraph that keeps its lines
    log_to_stderr()
    chosen = settings(SimpleNamespace(**values))
    service = values["service"]
    if chosen.cadvisor is not None and service is None:
        chosen = structs.replace(chosen, swarm="none")
    with ExitStack() as opened:
        swarm = None
        if chosen.swarm == "docker":
            swarm = open_docker_swarm(cadvisor_port=chosen.cadvisor_port)
            opened.callback(swarm.close)
        nodes = nodes_to_sample(chosen.cadvisor, swarm)
        own = {name: values[name] for name in ("duration", "out") if values[name] is not None}
        run = new_run(
            "sample",
            {**options_given(chosen, OPTIONS), **own},
            tags=chosen.run_tags,
            swarm=None if swarm is None else swarm.kind,
            service=swarm.service(service).name if swarm and service else None,
        )
        outlet = opened.enter_context(_outlet(run, chosen, values))
        sampling = Sampling(run, outlet, nodes, interval_seconds=chosen.sample_interval, swarm=swarm)
        _go_on(sampling, None if values["duration"] is None else float(values["duration"]))
        run = outlet.end(ended(run, sampling.stop()))
    click.echo(f"Run {run.id}: {sampling.tally.summary()}; kept in {outlet.places}")
    for trouble in run.troubles:
        click.echo(f"  trouble: {trouble.source}, {trouble.count:,} ×: {trouble.message}")
    if not sampling.tally.samples:
        raise UserError("no container gave a sample; `swarm-ext doctor` tells why")


def _outlet(run: Run, chosen: Settings, values: Mapping[str, Any]) -> Outlet:
    out = values["out"]
    uri = values["store"] or (DEFAULT_STORE if out is None else None)
    return open_outlet(run, chosen, uri=uri, out=out, retain_days=float(values["retain"]))


def _go_on(sampling: Sampling, seconds: float | None) -> None:
    ending = Ending()
    sampling.start()
    progress = gevent.spawn(_tell_progress, sampling.tally)
    ending.wait(seconds)
    progress.kill()
    if sys.stderr.isatty():
        sys.stderr.write(CLEAR_LINE)


def _tell_progress(tally: Tally) -> None:
    in_place = sys.stderr.isatty()
    while True:
        gevent.sleep(TERMINAL_SECONDS if in_place else LOG_SECONDS)
        if in_place:
            sys.stderr.write(f"{CLEAR_LINE}{tally.progress()}")
            sys.stderr.flush()
        else:
            logger.info("%s", tally.progress())
