"""How a replay went: recorded arrivals against those that were fired. Pure.

A replay has no law of chance that its arrivals could be tested against: what is compared are counts, here, and each
arrival's instant, which is what the schedule lag tells.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from swarm_ext.model import Run

CUT_SHARE = 0.01
"""A replay that was cut short may differ by so much from what was due: not every process stops at the same instant."""


@dataclass(frozen=True)
class ReplayFigures:
    """`recorded` arrivals were to be replayed, `due` of them until the run was ended, and `fired` were."""

    recorded: int
    due: int
    fired: int

    @property
    def complete(self) -> bool:
        """Whether the replay was not cut short."""
        return self.due == self.recorded

    @property
    def accepted(self) -> bool:
        """Whether as many were fired as were due."""
        allowed = 0.0 if self.complete else max(1.0, CUT_SHARE * self.due)
        return abs(self.fired - self.due) <= allowed


def replay_figures(run: Run) -> ReplayFigures | None:
    """Return how a run's replay went; None if it replayed nothing, or did not come to its end."""
    process, check = run.arrival_process, run.arrival_check
    if process is None or process.recorded is None or check is None or check.expected is None:
        return None
    return ReplayFigures(process.recorded, int(check.expected), check.observed)
