"""The master's account of a replay: which worker is to fire which recorded arrival, and which were fired. Pure.

The master alone has the trace, and deals it a little ahead of time: so workers need no copy of the file, one that joins
late has its share from then on, and what a lost one had goes to the others. (Were the file on every machine and only
ranges dealt, the messages would hardly be shorter, and the files might differ.)
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from swarm_ext.arrivals.trace import Trace

MOST_AT_ONCE = 10_000
"""How many arrivals are dealt in one go, where many are due at once."""


class Dealer:
    """Deals the arrivals of a trace, by their numbers in it: each to one worker, and to another when it is taken back."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._next = 0
        self._again: list[int] = []
        self._fired = bytearray(len(trace))
        self._held: dict[str, set[int]] = {}
        self._turns: dict[str, float] = {}
        self.fired_once = 0
        self.fired_again = 0
        """Arrivals that two workers fired, because one of them was taken for lost before it had told."""

    @property
    def done(self) -> bool:
        """Whether every arrival was fired."""
        return self.fired_once == len(self._trace)

    def deal(self, second: float, streams: Mapping[str, int]) -> dict[str, list[int]]:
        """Deal the arrivals that are due by a second of the trace to workers, in proportion to their streams.

        Return the arrivals' numbers by worker. Without a worker that has streams, nothing is dealt yet.
        """
        numbers = self._due(second) if any(streams.values()) else []
        dealt: dict[str, list[int]] = {}
        latest = min((self._turns[w] for w in streams if w in self._turns), default=0.0)
        turns = [(max(self._turns.get(w, 0.0), latest), w) for w, n in streams.items() if n]
        heapq.heapify(turns)
        for number in numbers:
            turn, worker = turns[0]
            heapq.heapreplace(turns, (turn + 1 / streams[worker], worker))
            dealt.setdefault(worker, []).append(number)
        self._turns.update((worker, turn) for turn, worker in turns)
        for worker, theirs in dealt.items():
            self._held.setdefault(worker, set()).update(theirs)
        return dealt

    def _due(self, second: float) -> list[int]:
        numbers = [n for n in self._again[:MOST_AT_ONCE] if not self._fired[n]]
        self._again = self._again[MOST_AT_ONCE:]
        begin = self._next
        self._next = max(begin, min(self._trace.due_until(second), begin + MOST_AT_ONCE - len(numbers)))
        return [*numbers, *range(begin, self._next)]

    def instant(self, number: int) -> float:
        """Return when an arrival is due [s of the trace]."""
        return self._trace[number]

    def fired(self, worker: str, numbers: Iterable[int]) -> None:
        """Note what a worker fired; it may have been lost meanwhile."""
        held = self._held.get(worker, set())
        for number in numbers:
            held.discard(number)
            if self._fired[number]:
                self.fired_again += 1
            else:
                self._fired[number] = 1
                self.fired_once += 1

    def held(self, worker: str) -> list[int]:
        """Return the arrivals that a worker was dealt and has not told that it fired, in order."""
        return sorted(self._held.get(worker, ()))

    def take_back(self, worker: str) -> None:
        """Deal anew what a worker was dealt and has not told that it fired."""
        self._again = sorted({*self._again, *self._held.pop(worker, ())})
