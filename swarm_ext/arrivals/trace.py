"""Recorded arrivals, to be replayed: each once per run, whoever fires it. Pure mathematics, 8 bytes an arrival.

>>> trace = Trace(array("d", [7.0, 5.0, 6.5]), name="arrivals.csv").scaled(2)
>>> [trace[i] for i in range(len(trace))], trace.seconds
([0.0, 0.75, 1.0], 1.0)
>>> trace.due_until(0.8)
2
"""

from __future__ import annotations

import hashlib
import heapq
from array import array
from bisect import bisect_left, bisect_right
from itertools import pairwise

RATE_WINDOW_SECONDS = 10.0
"""Over how long recorded arrivals are averaged into a rate: long enough that chance shows little, short enough for steps."""

_SORTED_AT_ONCE = 100_000


class Trace:
    """The instants of recorded arrivals, in seconds since the first of them, in order. `name` is where they come from.

    `seconds` gives them in any order and from any origin, at least one.
    """

    __slots__ = ("_instants", "name", "speed")

    def __init__(self, seconds: array[float], *, name: str) -> None:
        ordered = seconds if all(a <= b for a, b in pairwise(seconds)) else _sorted(seconds)
        first = ordered[0]
        self._instants = ordered if first == 0.0 else array("d", (instant - first for instant in ordered))
        self.name = name
        self.speed = 1.0

    def __len__(self) -> int:
        return len(self._instants)

    def __getitem__(self, index: int) -> float:
        return self._instants[index]

    def __repr__(self) -> str:
        speed = "" if self.speed == 1 else f", {self.speed:g} times as fast"
        return f"{len(self):,} recorded arrivals of {self.name} over {self.seconds:.4g} s{speed}"

    @property
    def seconds(self) -> float:
        """When the last arrival is due."""
        return self._instants[-1]

    def scaled(self, speed: float) -> Trace:
        """Return the same arrivals, `speed` times as fast."""
        if speed == 1:
            return self
        faster = Trace(array("d", (instant / speed for instant in self._instants)), name=self.name)
        faster.speed = self.speed * speed
        return faster

    def first(self, count: int) -> Trace:
        """Return the first `count` arrivals, 1 or more; all, if there are no more than that."""
        fewer = Trace(self._instants[:count], name=self.name)
        fewer.speed = self.speed
        return fewer

    def due_until(self, second: float) -> int:
        """Return how many arrivals are due by an instant."""
        return bisect_right(self._instants, second)

    def rate_at(self, second: float) -> float:
        """Return the arrivals per second before an instant: the mean over 10 s, or over what there was of them.

        It is what an autoscaler may see, so nothing that comes later is in it.
        """
        if not 0 <= second <= self.seconds:
            return 0.0
        low = max(0.0, second - RATE_WINDOW_SECONDS)
        return (self.due_until(second) - bisect_left(self._instants, low)) / max(1.0, second - low)

    def digest(self) -> str:
        """Return the SHA-256 digest, in hex, of all instants, to the microsecond."""
        digest = hashlib.sha256()
        for begin in range(0, len(self), _SORTED_AT_ONCE):
            chunk = self._instants[begin : begin + _SORTED_AT_ONCE]
            digest.update("".join(f" {instant:.6f}" for instant in chunk).encode())
        return digest.hexdigest()


def _sorted(seconds: array[float]) -> array[float]:
    """Return the numbers in order, without a list of all of them, which takes four times the memory."""
    parts = range(0, len(seconds), _SORTED_AT_ONCE)
    chunks = [array("d", sorted(seconds[begin : begin + _SORTED_AT_ONCE])) for begin in parts]
    return array("d", heapq.merge(*chunks))
