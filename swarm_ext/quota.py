"""How many arrivals a run may still make (`--iter N`): exactly N in total, over all streams, processes and machines.

The master holds the N (`Ledger`) and deals them in leases; each worker spends its lease (`Lease`) and asks for the next
when half of it is gone, so that an arrival seldom waits for one. In one process the Lease holds all N from the beginning.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from gevent.event import Event

if TYPE_CHECKING:
    from collections.abc import Callable

LEASE_SECONDS = 0.5
"""How long a worker's lease should last, at its own rate."""


class Lease:
    """The arrivals that one process may make: `limit` of them, or what the master deals when `ask` asks it for more.

    `ask` is called with how many are wanted, must not yield, and is answered later by `grant`. Neither: no limit.
    """

    def __init__(self, *, limit: int | None = None, ask: Callable[[int], None] | None = None) -> None:
        self._unlimited = limit is None and ask is None
        self._ask = ask
        self._left = limit or 0
        self._size = 1
        self._asked = False
        self._dry = ask is None
        self._granted = Event()

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
        while self._left == 0:
            if self._dry:
                return False
            self._granted.clear()
            self._request(rate)
            self._granted.wait()
        self._left -= 1
        if self._left <= self._size // 2:
            self._request(rate)
        return True

    def grant(self, arrivals: int, *, exhausted: bool) -> None:
        """Take what the master dealt. `exhausted`: there is nothing left to deal for now."""
        self._asked = False
        self._dry = exhausted
        self._left += arrivals
        self._size = arrivals or self._size
        self._granted.set()

    def give_back(self) -> int:
        """Return the arrivals not made, which this process gives up; 0 without limit."""
        left, self._left = self._left, 0
        return left

    def _request(self, rate: float) -> None:
        if self._ask is not None and not self._asked and not self._dry:
            self._asked = True
            self._ask(max(1, math.ceil(rate * LEASE_SECONDS)))


class Ledger:
    """The master's account of N arrivals: what was dealt to whom, and what is left to deal."""

    def __init__(self, limit: int) -> None:
        self._left = limit
        self._dealt: Counter[str] = Counter()

    def deal(self, worker: str, wanted: int) -> int:
        """Deal up to `wanted` arrivals to a worker; return how many."""
        dealt = min(wanted, self._left)
        self._left -= dealt
        self._dealt[worker] += dealt
        return dealt

    def give_back(self, worker: str, arrivals: int) -> None:
        """Take back arrivals that a worker will not make."""
        self._dealt[worker] -= arrivals
        self._left += arrivals

    def lose(self, worker: str, offered: int) -> None:
        """Take back what a lost worker had and did not report as offered, to be dealt again."""
        unused = max(0, self._dealt[worker] - offered)
        self._dealt[worker] -= unused
        self._left += unused

    @property
    def dealt(self) -> int:
        """Return how many arrivals were dealt and not given back."""
        return sum(self._dealt.values())

    @property
    def left(self) -> int:
        """Return how many arrivals are left to deal."""
        return self._left
