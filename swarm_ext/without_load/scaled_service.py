"""One service that is scaled without a load: its autoscaler, and the eye that is kept on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swarm_ext.scaling import Autoscaler
from swarm_ext.service_watch import ServiceWatcher

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from swarm_ext.model import ContainerSample, ScalingDecision, ServiceSample, Trouble
    from swarm_ext.scaling import ScalingPlan
    from swarm_ext.swarm import Swarm

KEPT_EVERY_SECONDS = 60.0
"""How often a state is kept in which nothing has changed: this goes on for weeks."""


class ScaledService:
    """Evaluates `plan` whenever it is told to. `on_samples` gets the service's changes, and a sample every minute."""

    def __init__(
        self,
        run_id: str,
        swarm: Swarm,
        plan: ScalingPlan,
        *,
        on_decision: Callable[[ScalingDecision], None],
        on_samples: Callable[[Sequence[ServiceSample]], None],
    ) -> None:
        self.plan = plan
        self._autoscaler = Autoscaler(swarm, plan, run_id=run_id, on_decision=on_decision)
        self._watcher = ServiceWatcher(run_id, swarm, plan.service, on_samples=self._seen)
        self._on_samples = on_samples
        self._kept: ServiceSample | None = None

    def container_samples(self, samples: Sequence[ContainerSample]) -> None:
        """Take in samples of any service."""
        self._autoscaler.container_samples(samples)

    def look(self) -> None:
        """Ask for the service's state now, so that starts and ends of replicas are seen when they happen."""
        state = self._watcher.look()
        if state is not None:
            self._autoscaler.service_state(state)

    def evaluate(self, now_monotonic: float, now_utc: datetime) -> None:
        """Decide, and act on it."""
        self._autoscaler.evaluate(now_monotonic, now_utc)

    def troubles(self) -> list[Trouble]:
        """Return what failed so far, with counts."""
        return [*self._watcher.troubles(), *self._autoscaler.troubles()]

    def _seen(self, samples: Sequence[ServiceSample]) -> None:
        for sample in samples:
            if self._kept is None or _has_changed(self._kept, sample):
                self._kept = sample
                self._on_samples([sample])


def _has_changed(before: ServiceSample, now: ServiceSample) -> bool:
    if (now.timestamp - before.timestamp).total_seconds() >= KEPT_EVERY_SECONDS:
        return True
    told = [
        (each.desired, each.running, each.ready, each.pending, each.update_state, each.tasks)
        for each in (before, now)
    ]
    return told[0] != told[1]
