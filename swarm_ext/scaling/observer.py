"""Joins what the swarm says with what was measured: samples and states in, one Observation out."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from swarm_ext.scaling.observation import Observation, ReplicaUse
from swarm_ext.scaling.roster import Roster, counts
from swarm_ext.scaling.window import SHORTEST_SHARE, CpuWindow, Gap, LoadWindow

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from swarm_ext.model import ContainerSample, LoadSample, ServiceState


class Observer:
    """Holds the window of one service. Every `now` is monotonic, in seconds; all other lengths are seconds too."""

    def __init__(
        self, service: str, *, window_seconds: float, warm_up_seconds: float, stale_after_seconds: float
    ) -> None:
        self._service = service
        self._cpu = CpuWindow(window_seconds, stale_after_seconds)
        self._load = LoadWindow(window_seconds, stale_after_seconds)
        self._roster = Roster(warm_up_seconds, SHORTEST_SHARE * window_seconds)

    def container_samples(self, samples: Sequence[ContainerSample], now: float) -> None:
        """Take in samples; those that are known to be another service's are left out."""
        self._cpu.add((sample for sample in samples if sample.service in (None, self._service)), now)

    def load_samples(self, samples: Sequence[LoadSample], now: float) -> None:
        """Take in what the load did."""
        self._load.add(samples, now)

    def service_state(self, state: ServiceState, now: float, utc: datetime) -> None:
        """Take in the service's tasks."""
        self._roster.see(state.tasks, now, utc)

    def observe(self, state: ServiceState, now: float) -> Observation:
        """Return what is known of `state` now, its tasks joined to samples by container id."""
        running = [task for task in state.tasks if counts(task)]
        counted = [task for task in running if self._roster.is_counted(task, now)]
        undisturbed_since = self._roster.undisturbed_since(now)
        found = [self._cpu.use(task.container_id, now, undisturbed_since) for task in counted]
        gaps = Counter(use for use in found if isinstance(use, Gap))
        return Observation(
            replicas=tuple(use for use in found if isinstance(use, ReplicaUse)),
            stale=gaps[Gap.STALE],
            unseen=gaps[Gap.UNSEEN],
            starting=max(state.desired, len(running)) - len(counted),
            arrivals=self._load.rate(),
            arrivals_are_stale=self._load.is_stale(now),
        )
