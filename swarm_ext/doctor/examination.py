"""The whole examination, in order. Each part has its own time; what cannot be looked at says why."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import msgspec

from swarm_ext.doctor.bounded import Bounded, OverdueError
from swarm_ext.doctor.decisions import judge_decision, last_decision
from swarm_ext.doctor.docker import view_swarm
from swarm_ext.doctor.finding import Finding, from_error, not_checked, ok, warning, wrong
from swarm_ext.doctor.machine import examine_machine
from swarm_ext.doctor.node_watch import PATIENCE_SECONDS, watch
from swarm_ext.doctor.nodes import judge_cadvisor, judge_clock, judge_coverage, judge_nodes
from swarm_ext.doctor.service import judge_labels, judge_service, judge_tasks
from swarm_ext.doctor.store import examine_spool, examine_store
from swarm_ext.errors import UserError
from swarm_ext.sampler import static_nodes
from swarm_ext.scaling.labels import ENABLED_LABEL
from swarm_ext.store import StoreError
from swarm_ext.swarm import SwarmError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from swarm_ext.doctor.docker import ServiceView, SwarmView
    from swarm_ext.doctor.node_watch import NodeWatch
    from swarm_ext.model import Node, ServiceState

AnswerT = TypeVar("AnswerT")

ANSWER_SECONDS = 30.0
"""How long Docker and the store have to answer: longer than their own time limits, which say more."""

WATCH_SECONDS = PATIENCE_SECONDS + 20.0


class Patient(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be examined. `service`: this one, not those that are labelled; `cadvisor`: these URLs, not the nodes' own."""

    swarm: str
    service: str | None
    store: str
    spool: str
    spool_limit_bytes: int
    cadvisor: list[str] | None
    cadvisor_port: int

    @property
    def uses_spool(self) -> bool:
        """Whether what is stored goes by way of the spool."""
        return self.store.startswith("mongodb")


def examine(patient: Patient) -> Iterator[Finding]:
    """Yield what is found, as it is found; nothing is raised."""
    store = Bounded(partial(examine_store, patient.store), ANSWER_SECONDS)
    swarm = Bounded(partial(_view, patient), ANSWER_SECONDS)
    yield from examine_machine()
    seen = _outcome("Docker", swarm)
    nodes: Sequence[Node] = static_nodes(patient.cadvisor or ())
    if isinstance(seen, Finding):
        yield seen
    elif seen is not None:
        yield ok("Docker", f"the engine at {seen.address} manages the swarm")
        yield from judge_nodes(seen.nodes)
        nodes = nodes or seen.nodes
    if not nodes and patient.swarm == "docker":
        yield not_checked("cAdvisor", "no nodes are known: Docker did not answer, and there is no --cadvisor")
    watches = yield from _examine_nodes(nodes)
    stored = _outcome("store", store)
    yield stored
    if patient.uses_spool:
        spool = partial(examine_spool, patient.store, patient.spool, patient.spool_limit_bytes)
        yield _outcome("spool", Bounded(spool, ANSWER_SECONDS))
    if isinstance(seen, Finding):
        yield not_checked(
            f"service {patient.service}" if patient.service else "services", "Docker did not answer"
        )
    elif seen is not None:
        now = _outcome("Docker", Bounded(partial(_view, patient), ANSWER_SECONDS))
        if isinstance(now, Finding):
            yield now
        elif now is not None:
            lasting = seen.running & now.running
            yield from _examine_services(patient, now, stored, partial(_judge_samples, lasting, watches))


def _view(patient: Patient) -> SwarmView | None:
    return view_swarm(patient.service, patient.cadvisor_port) if patient.swarm == "docker" else None


def _examine_nodes(nodes: Sequence[Node]) -> Generator[Finding, None, list[NodeWatch]]:
    """Watch every cAdvisor at the same time; yield the findings, and return what was seen."""
    begun = [
        (node, Bounded(partial(watch, node.name, node.cadvisor_url), WATCH_SECONDS))
        for node in nodes
        if node.cadvisor_url is not None
    ]
    watches = []
    for node, bounded in begun:
        seen = _outcome(f"cAdvisor of {node.name}", bounded)
        if isinstance(seen, Finding):
            yield seen
            continue
        watches.append(seen)
        yield judge_cadvisor(seen)
        clock = judge_clock(seen)
        if clock is not None:
            yield clock
    return watches


def _examine_services(
    patient: Patient,
    seen: SwarmView,
    stored: Finding,
    judge_samples: Callable[[ServiceState], Finding | None],
) -> Iterator[Finding]:
    if seen.unknown is not None:
        yield from_error(f"service {patient.service}", SwarmError(seen.unknown))
    elif not seen.services:
        yield warning(
            "services",
            f"none is labelled {ENABLED_LABEL}=true: `swarm-ext autoscale` has nothing to scale",
            f"label one under deploy.labels, or now: `docker service update --label-add {ENABLED_LABEL}=true NAME`; "
            "or ask about one by --service",
        )
    for service in seen.services:
        yield from _examine_service(service, judge_samples)
        if stored.status == "ok":
            name = service.state.name
            last = _outcome(
                f"last decision about {name}",
                Bounded(partial(last_decision, patient.store, name), ANSWER_SECONDS),
            )
            yield last if isinstance(last, Finding) else judge_decision(name, last, datetime.now(UTC))


def _examine_service(
    service: ServiceView, judge_samples: Callable[[ServiceState], Finding | None]
) -> Iterator[Finding]:
    yield from judge_service(service.state)
    yield from judge_labels(service.labels)
    for finding in (judge_tasks(service.state), judge_samples(service.state)):
        if finding is not None:
            yield finding


def _judge_samples(
    lasting: frozenset[str], watches: Sequence[NodeWatch], state: ServiceState
) -> Finding | None:
    """Judge the samples of a service's replicas that ran from before the watch until after it."""
    running = [
        (task.container_id, task.node)
        for task in state.tasks
        if task.container_id in lasting and task.container_id
    ]
    return judge_coverage(state.name, running, watches)


def _outcome(subject: str, bounded: Bounded[AnswerT]) -> AnswerT | Finding:
    """Return what came of it, or what to say because nothing did."""
    try:
        return bounded.result()
    except OverdueError as error:
        return not_checked(subject, str(error))
    except (UserError, SwarmError, StoreError) as error:
        return from_error(subject, error)
    except Exception as error:  # noqa: BLE001 - one check that fails must not end the others
        words = " ".join(str(error).split())
        return wrong(subject, f"could not be checked: {type(error).__name__}: {words}")
