"""By how much each worker's clock is ahead of the master's, and so by how many seconds its seconds are to be shifted."""

from __future__ import annotations

import logging

from swarm_ext.sampling.clock_offset import ClockOffset

logger = logging.getLogger(__name__)

NOTABLE_SECONDS = 1.0
"""A worker's clock that differs by more is worth a line in the log."""


class WorkerClocks:
    """The clocks of one run's workers, from what each says in its reports. All times are seconds since the epoch.

    A report that is delayed makes its sender's clock look behind, so the least delayed one counts. The offset is rounded
    to whole seconds when a worker's first second is placed, and this shift is kept for the whole run, or seconds would be
    filed twice or skipped. Workers count by clocks that nobody sets during a run, so it stays right. What is left of the
    offset, half a second at most and next to none where machines keep their clocks set, is less than a sample's second tells.
    """

    def __init__(self) -> None:
        self._clocks: dict[str, ClockOffset] = {}
        self._seconds_ahead: dict[str, int] = {}

    def observe(self, worker: str, *, stamped: float, received: float) -> None:
        """Take what a worker's clock said when it sent a report, and what ours said when that was here."""
        clock = self._clocks.setdefault(worker, ClockOffset())
        clock.observe(newest=stamped, received=received, oldest_new=None, asked_before=None)

    def exchange(self, worker: str, *, asked: float, stamped: float, received: float) -> None:
        """Take what a worker's clock said when we asked it; `asked` and `received` are what ours said before and after.

        Whatever the ways there and back took, the offset is between the two differences (Cristian, Probabilistic Clock
        Synchronization, Distributed Computing 3, 1989).
        """
        clock = self._clocks.setdefault(worker, ClockOffset())
        clock.observe(newest=stamped, received=received, oldest_new=stamped, asked_before=asked)

    def offsets(self) -> dict[str, float]:
        """Return by how many seconds each worker's clock is ahead of ours."""
        offsets = {worker: clock.seconds for worker, clock in self._clocks.items()}
        return {worker: offset for worker, offset in offsets.items() if offset is not None}

    def seconds_ahead(self, worker: str) -> int:
        """Return the whole seconds by which a worker's are ahead of ours: the same at every call, 0 if it never reported."""
        if worker not in self._seconds_ahead:
            offset = self.offsets().get(worker, 0.0)
            self._seconds_ahead[worker] = round(offset)
            if abs(offset) > NOTABLE_SECONDS:
                side = "ahead of" if offset > 0 else "behind"
                logger.warning(
                    "The clock of worker %s is %.1f s %s ours: its seconds are put where ours has them",
                    worker, abs(offset), side,
                )  # fmt: skip
        return self._seconds_ahead[worker]
