"""How many arrivals a run may still make (`--iter N`): exactly N in total, over all streams, processes and machines.

The master holds the N (`Ledger`) and deals them in leases; each worker spends its lease (`Lease`) and asks for the next
when half of it is gone, so that an arrival seldom waits for one. In one process the Lease holds all N from the beginning.

A worker that is silent is lost, and what it held is dealt to others if it stays away. It may only have stood still, or been
cut off, and go on: so a lease lapses in a process that has not heard for `LAPSE_SECONDS` that the master had its word (Gray
and Cheriton, "Leases", SOSP 1989), and the master deals it anew only when it has surely lapsed. What such a worker had made
before that and not told yet is taken from what is left to deal, and if that is too little, from what others hold. The total
exceeds N only if they have made it by then.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from typing import TYPE_CHECKING

from gevent.event import Event

if TYPE_CHECKING:
    from collections.abc import Callable

LEASE_SECONDS = 0.5
"""How long a worker's lease should last, at its own rate."""

LONGEST_LEASE_SECONDS = 1.0
"""How long it lasts at most, where the master is far away or packets are lost on the way."""

GRANT_TIMES = 4
"""So many times as long as a grant takes a lease lasts at least: when half is left and asked for, there is time for two."""

_REMEMBERED = 0.98
"""The share of the slowest grant's time that still counts at the next grant."""

LAPSE_SECONDS = 5.0
"""How long after the last word that the master is known to have had a lease lapses: before a silent worker is given up."""


class Lease:
    """The arrivals that one process may make: `limit` of them, or what the master deals when `ask` asks it for more.

    `ask` is called with how many are wanted (0: some were only given back), must not yield, and is answered later by
    `grant`. Neither: no limit. Who asks also calls `keep` about every second; `clock` is in seconds.
    """

    def __init__(
        self,
        *,
        limit: int | None = None,
        ask: Callable[[int], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._unlimited = limit is None and ask is None
        self._ask = ask
        self._left = limit or 0
        self._size = 1
        self._asked_at: float | None = None
        self._grant_seconds = 0.0
        self._dry = ask is None
        self._granted = Event()
        self._clock = clock
        self._kept = clock()
        self.returned = 0

    @property
    def spent(self) -> bool:
        """Whether all arrivals were taken and there is nothing left to deal."""
        return not self._unlimited and self._left == 0 and self._dry

    def take(self, rate: float) -> bool:
        """Take one arrival, waiting for a grant if there is none here; return False when the lease is spent.

        `rate` is this process's arrivals/s: it sets the size of the next lease.
        """
        if self._unlimited:
            return True
        self._lapse_if_not_kept()
        while self._left == 0:
            if self._dry:
                return False
            self._granted.clear()
            self._request(rate)
            self._granted.wait()
            self._lapse_if_not_kept()
        self._left -= 1
        if self._left <= self._size // 2:
            self._request(rate)
        return True

    def grant(self, arrivals: int, *, exhausted: bool) -> None:
        """Take what the master dealt. `exhausted`: there is nothing left to deal for now.

        A grant that was so long on its way that the master may have given this process up meanwhile is given back.
        """
        asked_at, self._asked_at = self._asked_at, None
        self._dry = exhausted
        self._left += arrivals
        self._size = arrivals or self._size
        if asked_at is not None:
            seconds = self._clock() - asked_at
            self._grant_seconds = max(seconds, _REMEMBERED * self._grant_seconds)
            if seconds > LAPSE_SECONDS:
                self._lapse()
        self._granted.set()

    def give_back(self) -> int:
        """Return the arrivals not made, which this process gives up; 0 without limit. `returned` is their sum so far."""
        left, self._left = self._left, 0
        self.returned += left
        return left

    def keep(self, told_at: float) -> None:
        """Note that the master had what this process told at `told_at`: its lease stays its own, unless it has lapsed before."""
        self._lapse_if_not_kept()
        self._kept = max(self._kept, told_at)

    def _lapse_if_not_kept(self) -> None:
        if self._clock() - self._kept > LAPSE_SECONDS:
            self._lapse()

    def _lapse(self) -> None:
        self._kept = self._clock()  # what is granted from now on was dealt after this
        if self._ask is not None and self.give_back():
            self._ask(0)

    def _request(self, rate: float) -> None:
        if self._ask is not None and self._asked_at is None and not self._dry:
            self._asked_at = self._clock()
            seconds = min(max(LEASE_SECONDS, GRANT_TIMES * self._grant_seconds), LONGEST_LEASE_SECONDS)
            self._ask(max(1, math.ceil(rate * seconds)))


class Ledger:
    """The master's account of N arrivals: what each worker may make, or has made, and so what is left to deal.

    A worker may make what it was dealt and did not give back. A lost one counts with what it has told that it made, until
    it is found again.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._dealt: Counter[str] = Counter()
        self._returned: Counter[str] = Counter()
        self._written_off: dict[str, int] = {}

    def deal(self, worker: str, wanted: int) -> int:
        """Deal up to `wanted` arrivals to a worker that is not lost; return how many."""
        dealt = min(wanted, max(0, self.left))
        self._dealt[worker] += dealt
        return dealt

    def give_back(self, worker: str, returned: int) -> None:
        """Note how many arrivals in all a worker has given back so far."""
        self._returned[worker] = returned

    def held(self, worker: str, offered: int) -> int:
        """Return how many arrivals a worker may have made at most beyond those that it told it offered."""
        return self._dealt[worker] - self._returned[worker] - offered

    def lose(self, worker: str, offered: int) -> None:
        """Take back what a lost worker had beyond the arrivals that it told it offered; again when it tells more."""
        self._written_off[worker] = offered

    def find(self, worker: str) -> None:
        """Count a lost worker as before: it has what it was dealt and did not give back."""
        self._written_off.pop(worker, None)

    @property
    def dealt(self) -> int:
        """Return how many arrivals the workers may make or have made; more than the limit if a lost one made too many."""
        return sum(
            self._written_off.get(worker, dealt - self._returned[worker])
            for worker, dealt in self._dealt.items()
        )

    @property
    def left(self) -> int:
        """Return how many arrivals are left to deal; negative if too many were dealt."""
        return self.limit - self.dealt
