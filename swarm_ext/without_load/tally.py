"""What a sampling has brought so far, and how that is told. No I/O."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from swarm_ext.model import ContainerSample, NodeSample

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from swarm_ext.model import Record

RECENT_SECONDS = 10.0
"""What has given a sample in so many seconds is there."""


class Tally:
    """Counts samples, and what they came from lately. `clock` gives monotonic seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self._told: tuple[float, int] = (self._began, 0)
        self.samples = 0
        """Container samples so far."""
        self.most_containers = 0
        self.most_nodes = 0
        self._containers: dict[str, float] = {}
        self._nodes: dict[str, float] = {}

    def add(self, records: Iterable[Record]) -> None:
        """Take records in, of any kind."""
        now = self._clock()
        for record in records:
            if isinstance(record, ContainerSample):
                self.samples += 1
                self._containers[record.container_id] = now
                self._nodes[record.node] = now
            elif isinstance(record, NodeSample):
                self._nodes[record.node] = now
        self._forget(now)

    def progress(self) -> str:
        """Return one line: how much in all, from how many lately, and how fast since the last such line."""
        now = self._clock()
        self._forget(now)
        then, before = self._told
        self._told = (now, self.samples)
        rate = (self.samples - before) / (now - then) if now > then else 0.0
        return (
            f"{_duration(now - self._began)}: {self.samples:,} samples, {rate:.1f}/s, "
            f"of {_number(len(self._containers), 'container')} on {_number(len(self._nodes), 'node')}"
        )

    def summary(self) -> str:
        """Return one line about all of it."""
        return (
            f"{self.samples:,} samples in {_duration(self._clock() - self._began)}, of at most "
            f"{_number(self.most_containers, 'container')} at once on {_number(self.most_nodes, 'node')}"
        )

    def _forget(self, now: float) -> None:
        for seen in (self._containers, self._nodes):
            for key in [key for key, at in seen.items() if now - at > RECENT_SECONDS]:
                del seen[key]
        self.most_containers = max(self.most_containers, len(self._containers))
        self.most_nodes = max(self.most_nodes, len(self._nodes))


def _number(count: int, thing: str) -> str:
    return f"{count} {thing}{'' if count == 1 else 's'}"


def _duration(seconds: float) -> str:
    minutes, whole = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return (
        f"{hours} h {minutes:02} min" if hours else f"{minutes} min {whole:02} s" if minutes else f"{whole} s"
    )
