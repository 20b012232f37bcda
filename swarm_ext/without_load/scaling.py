"""The autoscaler as a service: an Autoscaler for each service that asks for one, for as long as it does."""

from __future__ import annotations

import logging
import time
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import gevent
from gevent.event import Event
from msgspec import structs

from swarm_ext.errors import UserError
from swarm_ext.model import ScalingDecision
from swarm_ext.sampling.ticks import next_tick
from swarm_ext.scaling.labels import is_enabled
from swarm_ext.swarm import SwarmError, UnknownServiceError
from swarm_ext.troubles import TroubleLog
from swarm_ext.without_load.scaled_service import ScaledService

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from swarm_ext.model import ContainerSample, ServiceSample, ServiceState, Trouble
    from swarm_ext.scaling import ScalingPlan
    from swarm_ext.swarm import Swarm

LOOK_SECONDS = 1.0

logger = logging.getLogger(__name__)


class Scaling:
    """Scales every service that `names` gives and whose labels ask for it, by the plan that `plan` makes for it.

    Every `interval_seconds` it asks for the services anew and evaluates each; every second it looks at them. One that comes,
    goes, or is labelled anew is told in a line; where the plan changes, it begins anew. One that cannot be scaled (`plan`
    raises UserError) is left alone, told once with a decision that says why, and tried again. Nothing that fails ends
    anything. Needs a running gevent hub in a cooperative process.
    """

    def __init__(
        self,
        run_id: str,
        swarm: Swarm,
        names: Callable[[], Sequence[str]],
        plan: Callable[[ServiceState], ScalingPlan],
        *,
        interval_seconds: float,
        on_decision: Callable[[ScalingDecision], None],
        on_service_samples: Callable[[Sequence[ServiceSample]], None],
    ) -> None:
        self._run_id = run_id
        self._swarm = swarm
        self._names = names
        self._plan = plan
        self._interval_seconds = interval_seconds
        self._on_decision = on_decision
        self._on_service_samples = on_service_samples
        self._scaled: dict[str, ScaledService] = {}
        self._refused: dict[str, str] = {}
        self._decisions: Counter[str] = Counter()
        self._finding = TroubleLog("services to scale", logger)
        self._stopping = Event()
        self._greenlets: list[gevent.Greenlet] = []

    @property
    def services(self) -> list[str]:
        """The services that are scaled now."""
        return sorted(self._scaled)

    def start(self) -> None:
        """Begin, in the background."""
        self._greenlets = [
            gevent.spawn(self._repeat, self._interval_seconds, self._refresh_and_evaluate),
            gevent.spawn(self._repeat, LOOK_SECONDS, self._look),
        ]

    def stop(self, timeout_seconds: float = 5.0) -> list[Trouble]:
        """End, giving what is under way so long; return what has failed."""
        self._stopping.set()
        gevent.joinall(self._greenlets, timeout=timeout_seconds)
        gevent.killall(self._greenlets)
        finding = self._finding.trouble()
        found = [] if finding is None else [finding]
        return found + [trouble for each in self._scaled.values() for trouble in each.troubles()]

    def container_samples(self, samples: Sequence[ContainerSample]) -> None:
        """Take in samples as they come; each service knows its own."""
        for each in self._scaled.values():
            each.container_samples(samples)

    def refresh(self) -> None:
        """Find the services that are to be scaled now, and how. Of which that cannot be told stay as they are."""
        failure = ""
        unknown = set()
        wanted: list[ServiceState] = []
        try:
            names = self._names()
        except (SwarmError, UserError) as error:
            self._finding.failed(str(error))
            return
        for name in names:
            try:
                state = self._swarm.service(name)
            except UnknownServiceError:
                continue  # removed since it was listed
            except SwarmError as error:
                failure = str(error)
                unknown.add(name)
            else:
                if is_enabled(state.labels):
                    wanted.append(state)
        if failure:
            self._finding.failed(failure)
        else:
            self._finding.succeeded()
        self._forget_all_but({state.name for state in wanted} | unknown)
        for state in wanted:
            self._take(state)

    def evaluate(self) -> None:
        """Evaluate every service once, side by side."""
        now, utc = time.monotonic(), datetime.now(UTC)
        gevent.joinall([gevent.spawn(each.evaluate, now, utc) for each in list(self._scaled.values())])

    def _refresh_and_evaluate(self) -> None:
        self.refresh()
        self.evaluate()

    def _look(self) -> None:
        gevent.joinall([gevent.spawn(each.look) for each in list(self._scaled.values())])

    def _repeat(self, seconds: float, act: Callable[[], None]) -> None:
        tick = time.monotonic()
        while not self._stopping.is_set():
            act()
            now = time.monotonic()
            tick = next_tick(tick, now, seconds)
            self._stopping.wait(tick - now)

    def _forget_all_but(self, names: set[str]) -> None:
        for name in self._scaled.keys() - names:
            logger.info("%s: not scaled any more, it is gone or not labelled so", name)
            del self._scaled[name]
        for name in self._refused.keys() - names:
            del self._refused[name]

    def _take(self, state: ServiceState) -> None:
        try:
            plan = self._plan(state)
        except UserError as error:
            self._refuse(state, str(error))
            return
        self._refused.pop(state.name, None)
        known = self._scaled.get(state.name)
        if known is not None and known.plan == plan:
            return
        within = f"{plan.bounds.minimum} to {plan.bounds.maximum} replicas, by {plan.policy!r}"
        logger.info(
            "%s: %s: %s",
            state.name,
            "scaled" if known is None else "scaled anew, as it is labelled now",
            within,
        )
        self._scaled[state.name] = ScaledService(
            self._run_id, self._swarm, plan, on_decision=self._decided, on_samples=self._on_service_samples
        )

    def _refuse(self, state: ServiceState, why: str) -> None:
        self._scaled.pop(state.name, None)
        if self._refused.get(state.name) == why:
            return
        self._refused[state.name] = why
        logger.warning("%s: not scaled: %s", state.name, why)
        self._decided(
            ScalingDecision(
                run_id=self._run_id,
                timestamp=datetime.now(UTC),
                id="",
                service=state.name,
                applied_at=None,
                before=state.desired,
                desired=state.desired,
                applied=None,
                metric="none",
                value=None,
                target=None,
                reason=f"not scaled: {why}",
            )
        )

    def _decided(self, decision: ScalingDecision) -> None:
        # a service that begins anew counts its decisions from 1 again, and a run knows each by its id
        self._decisions[decision.service] += 1
        number = self._decisions[decision.service]
        self._on_decision(structs.replace(decision, id=f"{decision.service}-{number:06d}"))
