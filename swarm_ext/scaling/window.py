"""The newest samples, no more of them than the window needs: CPU by container, arrivals by second.

A node's clock is compared with itself only: a container's window ends at its own newest sample. How old that sample is
says our monotonic clock: the time since its timestamp last advanced.
"""

from __future__ import annotations

import bisect
import enum
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from swarm_ext.scaling.observation import ArrivalRate, ReplicaUse

if TYPE_CHECKING:
    from collections.abc import Iterable

    from swarm_ext.model import ContainerSample, LoadSample

SHORTEST_SHARE = 1 / 3
"""A replica is measured over at least this share of the window: less is mostly noise."""

_COVERED_SHARE = 0.5
"""A span that samples cover less than this is not measured: points come 1 to 2 s apart, and some are lost."""

_FORGET_AFTER_WINDOWS = 4


class Gap(enum.Enum):
    """Why there is no measurement."""

    UNSEEN = "too few samples"
    STALE = "nothing new"


@dataclass(slots=True)
class _Series:
    """One container: points (node's clock [s], cumulative CPU [s], cumulative throttled time [s]), oldest first."""

    advanced_at: float
    points: list[tuple[float, float, float]] = field(default_factory=list)

    def add(self, point: tuple[float, float, float], now: float) -> None:
        if not self.points or point[0] > self.points[-1][0]:
            self.points.append(point)
            self.advanced_at = now
            return
        at = bisect.bisect_left(self.points, point[0], key=lambda known: known[0])
        if self.points[at][0] != point[0]:
            self.points.insert(at, point)

    def drop_older_than(self, seconds: float) -> None:
        oldest = self.points[-1][0] - seconds
        del self.points[: bisect.bisect_left(self.points, oldest, key=lambda known: known[0])]


class CpuWindow:
    """The last `window_seconds` of every container's CPU. Memory is bounded by what falls into the window.

    Containers from which nothing new has come for four windows (at least a minute) are forgotten.
    """

    def __init__(self, window_seconds: float, stale_after_seconds: float) -> None:
        self._window = window_seconds
        self._stale_after = stale_after_seconds
        self._series: dict[str, _Series] = {}

    def __len__(self) -> int:
        return sum(len(series.points) for series in self._series.values())

    def add(self, samples: Iterable[ContainerSample], now: float) -> None:
        """Take samples in, in any order and also twice; `now` is monotonic [s]."""
        for sample in samples:
            if sample.cpu_usage_seconds is None:
                continue
            series = self._series.setdefault(sample.container_id, _Series(advanced_at=now))
            taken = sample.timestamp.timestamp()
            series.add((taken, sample.cpu_usage_seconds, sample.throttled_seconds or 0.0), now)
            series.drop_older_than(self._window)
        forget_after = max(60.0, _FORGET_AFTER_WINDOWS * self._window)
        for container in [c for c, s in self._series.items() if now - s.advanced_at > forget_after]:
            del self._series[container]

    def use(self, container_id: str | None, now: float, undisturbed_since: float) -> ReplicaUse | Gap:
        """Return the container's mean use over the window that ends at its newest sample.

        The window is cut to what lies after `undisturbed_since` (monotonic [s]), but never below a third: replicas that
        came or went share the load out anew, and what was before would count the same work twice or not at all.
        """
        series = self._series.get(container_id or "")
        if series is None:
            return Gap.UNSEEN
        if now - series.advanced_at > self._stale_after:
            return Gap.STALE
        wanted = max(SHORTEST_SHARE * self._window, series.advanced_at - undisturbed_since)
        span = min(self._window, wanted)
        last = series.points[-1]
        first = series.points[bisect.bisect_left(series.points, last[0] - span, key=lambda known: known[0])]
        covered, cpu, throttled = (end - begin for begin, end in zip(first, last, strict=True))
        if covered < _COVERED_SHARE * span or cpu < 0:
            return Gap.UNSEEN
        return ReplicaUse(cpu / covered, max(0.0, throttled / covered))


class LoadWindow:
    """The last `window_seconds` of the load."""

    def __init__(self, window_seconds: float, stale_after_seconds: float) -> None:
        self._window = window_seconds
        self._stale_after = stale_after_seconds
        self._samples: deque[LoadSample] = deque()
        self._advanced_at = 0.0

    def __len__(self) -> int:
        return len(self._samples)

    def add(self, samples: Iterable[LoadSample], now: float) -> None:
        """Take one sample a second in, in order; what is not newer than the newest is left out. `now` is monotonic."""
        for sample in samples:
            if self._samples and sample.timestamp <= self._samples[-1].timestamp:
                continue
            self._samples.append(sample)
            self._advanced_at = now
            while (sample.timestamp - self._samples[0].timestamp).total_seconds() >= self._window:
                self._samples.popleft()

    def is_stale(self, now: float) -> bool:
        """Return whether there were samples and no new one has come for too long."""
        return bool(self._samples) and now - self._advanced_at > self._stale_after

    def rate(self) -> ArrivalRate | None:
        """Return the rate asked for now; without one the rate offered over the window, once a third of it is known."""
        if not self._samples:
            return None
        newest = self._samples[-1]
        if newest.asked_rate is not None:
            return ArrivalRate(newest.asked_rate, "asked")
        seconds = (newest.timestamp - self._samples[0].timestamp).total_seconds() + 1.0
        if seconds < SHORTEST_SHARE * self._window:
            return None
        return ArrivalRate(sum(sample.offered for sample in self._samples) / seconds, "offered")
