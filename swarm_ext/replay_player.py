"""Recorded arrivals on their way through one generating process: each goes to exactly one of its streams. No Locust.

A stream takes the next one, waits until it is due, claims it and fires it. One that is taken and not claimed, because its
user was removed, is put back. What the process gives back (it has no users, or stood still) is nobody's here any more.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from gevent.queue import Empty, PriorityQueue

from swarm_ext.quota import LAPSE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Recorded(NamedTuple):
    """A recorded arrival: when it is due, in seconds since the run began, and its number in the trace."""

    instant: float
    number: int


class Player:
    """The recorded arrivals that this process is to fire. `clock` is in seconds.

    Whoever deals them from afar calls `keep` at least every second: a process that then stands still for `LAPSE_SECONDS` is
    taken for lost, and what it had is dealt to others, so it gives that back before it fires anything more.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: float | None = None
        self._waiting: PriorityQueue[Recorded] = PriorityQueue()
        self._held: set[int] = set()
        self._fired: list[int] = []
        self._returned: list[int] = []

    def put(self, arrivals: Iterable[Recorded]) -> None:
        """Take arrivals to be fired."""
        for arrival in arrivals:
            self._held.add(arrival.number)
            self._waiting.put_nowait(arrival)

    def take(self) -> Recorded:
        """Return the next arrival that is due; wait until there is one."""
        while True:
            arrival: Recorded = self._waiting.get()
            if arrival.number in self._held:
                return arrival

    def put_back(self, arrival: Recorded) -> None:
        """Let another stream have an arrival that was taken and not claimed."""
        if arrival.number in self._held:
            self._waiting.put_nowait(arrival)

    def claim(self, arrival: Recorded) -> bool:
        """Make an arrival one's own, to be fired now; False: it was given back meanwhile."""
        self._lapse_if_not_kept()
        if arrival.number not in self._held:
            return False
        self._held.remove(arrival.number)
        self._fired.append(arrival.number)
        return True

    def give_back(self) -> None:
        """Give up every arrival that is not fired yet."""
        self._returned += self._held
        self._held.clear()
        while True:
            try:
                self._waiting.get_nowait()
            except Empty:
                return

    def keep(self) -> None:
        """Say that this process is running."""
        self._lapse_if_not_kept()
        self._kept = self._clock()

    def _lapse_if_not_kept(self) -> None:
        if self._kept is not None and self._clock() - self._kept > LAPSE_SECONDS:
            self._kept = self._clock()
            self.give_back()

    def news(self) -> tuple[list[int], list[int]]:
        """Return the numbers of the arrivals fired and of those given back since this was asked last."""
        news = self._fired, self._returned
        self._fired, self._returned = [], []
        return news
