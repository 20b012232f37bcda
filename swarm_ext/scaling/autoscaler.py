"""The listener that turns samples into replicas: it feeds the policy, asks the swarm, and tells what it decided."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import gevent
from gevent.event import Event
from msgspec import structs

from swarm_ext.errors import UserError
from swarm_ext.model import ScalingDecision
from swarm_ext.scaling.decision import Limits, Verdict, decide, hands_off
from swarm_ext.scaling.observer import Observer
from swarm_ext.scaling.ownership import Ownership
from swarm_ext.scaling.placement import Placement
from swarm_ext.scaling.stabilization import Stabilization
from swarm_ext.swarm import ScalingHeldError, SwarmError
from swarm_ext.troubles import TroubleLog

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from swarm_ext.model import ContainerSample, LoadSample, ServiceState, Trouble
    from swarm_ext.scaling.placement import Cap
    from swarm_ext.scaling.plan import ScalingPlan
    from swarm_ext.scaling.policies import Recommendation
    from swarm_ext.swarm import Swarm

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Clocks:
    """Where time comes from: monotonic seconds, and the aware UTC time of day."""

    monotonic: Callable[[], float] = time.monotonic
    utc: Callable[[], datetime] = lambda: datetime.now(UTC)


class Autoscaler:
    """Evaluates a ScalingPlan against a service, again and again, until it is stopped.

    Feed it with `container_samples`, `load_samples` and `service_state` as they come; `start` evaluates every
    `interval_seconds` in a greenlet, `evaluate` does it once. Every evaluation makes one ScalingDecision, whatever happens,
    and hands it to `on_decision`; nothing that fails is raised. All methods belong to one thread (gevent's hub).
    """

    def __init__(
        self,
        swarm: Swarm,
        plan: ScalingPlan,
        *,
        run_id: str,
        on_decision: Callable[[ScalingDecision], None],
        clocks: Clocks | None = None,
    ) -> None:
        self._swarm = swarm
        self._plan = plan
        self._run_id = run_id
        self._on_decision = on_decision
        self._clocks = clocks or Clocks()
        self._observer = Observer(
            plan.service,
            window_seconds=plan.window_seconds,
            warm_up_seconds=plan.replica_warm_up_seconds,
            stale_after_seconds=plan.stale_after_seconds,
        )
        self._stabilization = Stabilization(plan.scale_in_stabilization_seconds, plan.interval_seconds)
        self._placement = Placement()
        self._ownership = Ownership()
        self._metric = plan.policy.metric
        self._evaluating = TroubleLog("autoscaler", logger)
        self._applying = TroubleLog("autoscaler, changing the replicas", logger)
        self._telling = TroubleLog("autoscaler, telling its decision", logger)
        self._decisions = 0
        self._last_seen = 0
        self._stopping = Event()
        self._greenlet: gevent.Greenlet | None = None

    # What it is told

    def container_samples(self, samples: Sequence[ContainerSample]) -> None:
        """Take in samples as they are received, in any order; those of other services do not matter."""
        self._observer.container_samples(samples, self._clocks.monotonic())

    def load_samples(self, samples: Sequence[LoadSample]) -> None:
        """Take in what the load did, by second."""
        self._observer.load_samples(samples, self._clocks.monotonic())

    def service_state(self, state: ServiceState) -> None:
        """Take in the service as it is between two evaluations, so that starts and ends are seen when they happen."""
        self._observer.service_state(state, self._clocks.monotonic(), self._clocks.utc())

    # What it does

    def evaluate(self, now_monotonic: float, now_utc: datetime) -> ScalingDecision:
        """Evaluate once, act on it, tell it and return it. Never raises; blocks for as long as the swarm does."""
        try:
            decision = self._evaluate(now_monotonic, now_utc)
            self._evaluating.succeeded()
        except Exception as error:  # noqa: BLE001 - neither a swarm nor a policy may ever end the load
            words = _in_one_line(error)
            self._evaluating.failed(words)
            decision = self._decision(now_utc, self._last_seen, Verdict(self._last_seen, f"failed: {words}"))
        try:
            self._on_decision(decision)
            self._telling.succeeded()
        except Exception as error:  # noqa: BLE001 - nor may who listens
            self._telling.failed(_in_one_line(error))
        return decision

    def start(self) -> None:
        """Begin to evaluate in a greenlet; nothing happens if it has begun. A stopped autoscaler stays stopped."""
        if self._greenlet is None:
            self._greenlet = gevent.spawn(self.run)

    def run(self) -> None:
        """Evaluate every `interval_seconds` until stopped, first after one interval.

        The schedule is absolute and evaluations never overlap: one that takes longer lets those fall out that were due
        in the meantime.
        """
        interval = self._plan.interval_seconds
        due = self._clocks.monotonic() + interval
        while not self._stopping.wait(timeout=max(0.0, due - self._clocks.monotonic())):
            self.evaluate(self._clocks.monotonic(), self._clocks.utc())
            missed = max(0, math.floor((self._clocks.monotonic() - due) / interval))
            due += (missed + 1) * interval

    def stop(self, timeout_seconds: float = 5.0) -> None:
        """End the evaluations; one under way gets `timeout_seconds` to finish before it is cut off. Idempotent."""
        self._stopping.set()
        if self._greenlet is None or self._greenlet is gevent.getcurrent():
            return
        self._greenlet.join(timeout=timeout_seconds)
        self._greenlet.kill()

    def troubles(self) -> list[Trouble]:
        """Return what has failed so far, with counts and last words."""
        logs = (self._evaluating, self._applying, self._telling)
        return [trouble for log in logs if (trouble := log.trouble()) is not None]

    # How it does it

    def _evaluate(self, now: float, utc: datetime) -> ScalingDecision:
        service = self._swarm.service(self._plan.service)
        self._last_seen = service.desired
        self._observer.service_state(service, now, utc)
        adopted = self._ownership.found(service.desired, now)
        if adopted:
            self._stabilization.found(service.desired, now, "somebody else changed it")
        cap = self._placement.see(service, now)
        reason = hands_off(service)
        if reason:
            decision = self._decision(utc, service.desired, Verdict(service.desired, reason))
        else:
            decision = self._act(self._judge(service, cap, now, utc))
        return structs.replace(decision, reason=f"{adopted}; {decision.reason}") if adopted else decision

    def _judge(self, service: ServiceState, cap: Cap | None, now: float, utc: datetime) -> ScalingDecision:
        recommended = self._plan.policy.recommend(self._observer.observe(service, now), service)
        floor = None
        if recommended.replicas is not None:
            floor = self._stabilization.recommended(recommended.replicas, service.desired, now)
        limits = Limits(bounds=self._plan.bounds, floor=floor, cap=cap)
        verdict = decide(recommended, service.desired, limits)
        return self._decision(utc, service.desired, verdict, recommended)

    def _act(self, decision: ScalingDecision) -> ScalingDecision:
        """Carry a decision out; return it with what became of it."""
        before, desired, reason = decision.before, decision.desired, decision.reason
        if desired == before:
            return decision
        if self._plan.dry_run:
            return structs.replace(decision, reason=f"dry run: would scale {before} → {desired}: {reason}")
        self._ownership.asks_for(desired)
        try:
            self._swarm.scale(self._plan.service, desired)
        except ScalingHeldError as error:
            return structs.replace(decision, desired=before, reason=f"held: {error} (wanted {desired})")
        except Exception as error:  # noqa: BLE001 - the swarm's failures are told, not raised
            words = _in_one_line(error)
            self._applying.failed(words)
            return structs.replace(
                decision, reason=f"failed: {before} → {desired} was refused ({words}): {reason}"
            )
        self._applying.succeeded()
        words = f"scaling {'out' if desired > before else 'in'} {before} → {desired}: {reason}"
        logger.info("%s: %s", self._plan.service, words)
        return structs.replace(decision, applied=desired, applied_at=self._clocks.utc(), reason=words)

    def _decision(
        self, utc: datetime, before: int, verdict: Verdict, recommended: Recommendation | None = None
    ) -> ScalingDecision:
        self._decisions += 1
        return ScalingDecision(
            run_id=self._run_id,
            timestamp=utc,
            id=f"{self._plan.service}-{self._decisions:06d}",
            service=self._plan.service,
            applied_at=None,
            before=before,
            desired=verdict.replicas,
            applied=None,
            metric=self._metric,
            value=recommended.value if recommended else None,
            target=recommended.target if recommended else None,
            reason=verdict.reason,
        )


def _in_one_line(error: Exception) -> str:
    words = " ".join(str(error).split())
    return (
        words if isinstance(error, (SwarmError, UserError)) and words else f"{type(error).__name__}: {words}"
    )
