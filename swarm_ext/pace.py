"""Waiting for one arrival after the other, on an absolute schedule: a late wake-up never shifts what comes after it."""

from __future__ import annotations

import time

from swarm_ext.alarm import alarm
from swarm_ext.turns import let_others

LATE_SPAWNS = 50
"""How many overdue arrivals a stream fires in a row before those in flight get their turn."""


class Pace:
    """One stream's waiting."""

    def __init__(self) -> None:
        self._late = 0
        self._alarm = alarm()

    def wait_until(self, due: float) -> None:
        """Sleep until `due`, in monotonic seconds; overdue, return at once, but let others run now and then."""
        if due > time.monotonic():
            self._late = 0
            self._alarm.wait_until(due)
            return
        self._late += 1
        if self._late % LATE_SPAWNS == 0:
            let_others()
