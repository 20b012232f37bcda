"""What a run's load is asked to be, beyond what each stream knows by itself. No I/O."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from swarm_ext.arrivals.trace import Trace
    from swarm_ext.settings import Settings

REPLAY_LEAD_SECONDS = 2.0
"""How long after the run's beginning a replay's first arrival is due: time to spawn users, and to deal them arrivals."""

REPLAY_PATIENCE_SECONDS = 15.0
"""How long beyond a replay's last arrival those are waited for that a lost worker had, or that nobody could fire."""


class Asked(NamedTuple):
    """`trace` is what is replayed, as fast and as far as asked; `seconds` how long arrival processes go on."""

    chosen: Settings
    trace: Trace | None = None
    seconds: float = math.inf

    @property
    def lasts_seconds(self) -> float:
        """From how long after the run's beginning on there is nothing to offer any more."""
        if self.trace is None:
            return self.seconds
        return REPLAY_LEAD_SECONDS + self.trace.seconds + REPLAY_PATIENCE_SECONDS

    def replay_rate(self, second: float) -> float | None:
        """Return the rate [1/s] of the replay, so long after the run's beginning; None: nothing is replayed."""
        return None if self.trace is None else self.trace.rate_at(second - REPLAY_LEAD_SECONDS)

    def replay_due(self, second: float) -> int | None:
        """Return how many recorded arrivals are due, so long after the run's beginning; None: nothing is replayed."""
        return None if self.trace is None else self.trace.due_until(second - REPLAY_LEAD_SECONDS)
