"""The master asks its workers for the time: so each knows when a run began, and all seconds are put where ours has them."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

from swarm_ext.distributed import wire
from swarm_ext.distributed.clocks import WorkerClocks
from swarm_ext.sampling.clock_offset import ClockOffset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

QUESTIONS = 5
"""Asked one after the other: the quickest answer counts."""

AGAIN_SECONDS = 5.0
"""How often a worker is asked during a run."""


class ClockDesk:
    """Asks by `send(kind, message, worker)`, which must not wait.

    Two clocks of each worker are of interest. By its monotonic one it learns when a run began; nobody sets that one, so what
    is known of it stays right. By the other it counts: seconds since the epoch, as its machine had them at the run's start.
    """

    def __init__(self, send: Callable[[str, wire.ClockQuestion, str], None]) -> None:
        self._send = send
        self._monotonic: dict[str, ClockOffset] = {}
        self._left: Counter[str] = Counter()
        self._asked_at = 0.0
        self.begin(time.time() - time.monotonic())  # workers are asked as soon as they are there

    def begin(self, epoch: float) -> None:
        """Begin a run: `epoch` is our seconds since the epoch less our monotonic ones."""
        self._epoch = epoch
        self.run_clocks = WorkerClocks()

    def ask(self, worker: str) -> None:
        """Ask a worker for the time, some times."""
        self._left[worker] = QUESTIONS
        self._question(worker)

    def ask_again(self, workers: Iterable[str]) -> None:
        """Ask those workers once, if it is time to."""
        if time.monotonic() - self._asked_at > AGAIN_SECONDS:
            self._asked_at = time.monotonic()
            for worker in workers:
                self._question(worker)

    def _question(self, worker: str) -> None:
        known = self._monotonic.get(worker)
        ahead = None if known is None else known.seconds
        self._send(wire.CLOCK, wire.ClockQuestion(asked=time.monotonic(), ahead=ahead), worker)

    def reply(self, worker: str, reply: wire.ClockReply) -> None:
        """Take what a worker answered."""
        received = time.monotonic()
        clock = self._monotonic.setdefault(worker, ClockOffset())
        clock.observe(
            newest=reply.monotonic, received=received, oldest_new=reply.monotonic, asked_before=reply.asked
        )
        self.run_clocks.exchange(
            worker, asked=self._epoch + reply.asked, stamped=reply.now, received=self._epoch + received
        )
        if self._left[worker] > 0:
            self._left[worker] -= 1
            self._question(worker)
