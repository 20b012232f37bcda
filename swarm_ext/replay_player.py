"""Recorded arrivals on their way through one generating process: each goes to exactly one of its streams. No Locust.

A stream takes the next one, waits until it is due, claims it and fires it. One that is taken and not claimed, because its
user was removed, is put back. What the process gives back (it has no users, or stood still) is nobody's here any more: its
next *term* begins, and what was dealt for an earlier one, and is still on its way, is void.
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

    Who tells a master about them calls `keep` about every second: a process that stands still, or is cut off, for
    `LAPSE_SECONDS` may be given up after that, and what it had dealt to others, so it gives that back before it fires more.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: float | None = None
        self._waiting: PriorityQueue[Recorded] = PriorityQueue()
        self._held: set[int] = set()
        self._fired: list[int] = []
        self.term = 0
        """How often this process has given back all that it had, whatever that was."""

    def put(self, arrivals: Iterable[Recorded], term: int = 0) -> None:
        """Take arrivals to be fired, unless they were dealt for an earlier term."""
        if term != self.term:
            return
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
        """Give up every arrival that is not fired yet, those too that are on their way here."""
        self.term += 1
        self._held.clear()
        while True:
            try:
                self._waiting.get_nowait()
            except Empty:
                return

    def keep(self, told_at: float) -> None:
        """Note that the master had what this process told at `told_at`."""
        self._lapse_if_not_kept()
        self._kept = told_at if self._kept is None else max(self._kept, told_at)

    def _lapse_if_not_kept(self) -> None:
        if self._kept is not None and self._clock() - self._kept > LAPSE_SECONDS:
            self._kept = self._clock()  # what is dealt for the next term was dealt after this
            self.give_back()

    def news(self) -> list[int]:
        """Return the numbers of the arrivals fired since this was asked last."""
        news, self._fired = self._fired, []
        return news
