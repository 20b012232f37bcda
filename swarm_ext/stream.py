"""One user's arrivals: where they come from, and what is noted of them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from swarm_ext.arrivals import stream_rng

if TYPE_CHECKING:
    import random

    from swarm_ext.arrivals import PointProcess
    from swarm_ext.arrivals.check import ArrivalChecker


class Stream:
    """One user's arrivals: its own generator of random numbers, and the check of its measured gaps."""

    def __init__(
        self,
        number: int,
        seed: int,
        process: PointProcess | None,
        checker: ArrivalChecker | None,
        origin: float,
    ) -> None:
        self.number = number
        self.rng: random.Random = stream_rng(seed, number)
        self.process = process
        self.origin = origin
        """When the run began, in monotonic seconds."""
        self._last = time.monotonic()
        self.begin = self._last - origin
        """How many seconds later the stream began."""
        self._check = None if checker is None else checker.stream(self.begin)

    def arrived(self, now: float) -> None:
        """Note that an arrival was offered at `now`, in monotonic seconds."""
        if self._check is not None:
            self._check.arrival(now - self._last)
        self._last = now

    def end(self) -> None:
        """Note that nothing more will come: the present gap stays unfinished."""
        if self._check is not None:
            self._check.end(time.monotonic() - self._last)
            self._check = None
