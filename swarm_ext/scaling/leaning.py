"""The one calculation that all policies share: which way a service leans, and how many replicas that makes.

It is that of the Kubernetes HorizontalPodAutoscaler ("Algorithm details" in its documentation): compare the mean per
replica with a band; if it lies outside, count the replicas of which nothing is known so that they speak against acting,
and compare again; act only if the answer is still the same. It differs in two points, both towards staying: a missing
replica counts as busy as the target when scaling in (there: as its whole request), and so does one that is starting
(there: not at all, so that a step out could be taken back before it had any effect).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_ROUNDING = 1e-6
"""Shares of a replica; smaller excesses are the arithmetic's, not the load's."""


@dataclass(frozen=True, slots=True)
class Band:
    """Where nothing is done: from `low` to `high`, both included. A replica at `neutral` asks for no change."""

    low: float
    high: float
    neutral: float

    @classmethod
    def around_one(cls, tolerance: float) -> Band:
        """Return the band of loads that are measured in shares of a target."""
        return cls(1 - tolerance, 1 + tolerance, neutral=1.0)

    def side(self, mean: float) -> int:
        """Return 1 above the band, -1 below it, 0 in it."""
        return int(mean > self.high + _ROUNDING) - int(mean < self.low - _ROUNDING)


@dataclass(frozen=True, slots=True)
class Lean:
    """Which way a service leans: `measured` by what was measured, `direction` with the unknown counted too.

    1 is out, -1 in, 0 neither. `total` is the load summed over all replicas, the unknown as they were counted.
    """

    measured: int
    direction: int
    total: float

    def proportional(self, current: int) -> int:
        """Return the replicas at which each would bear a load of one (at least one replica), never against the lean."""
        needed = max(1, math.ceil(self.total - _ROUNDING))
        if self.direction > 0:
            return max(current, needed)
        return min(current, needed) if self.direction < 0 else current


def lean(loads: Sequence[float], *, unknown: int, band: Band) -> Lean:
    """Compare the mean of `loads` (at least one) with the band, then once more with the unknown replicas counted.

    They count as idle if the measured ones lean out, and as neutral if those lean in.
    """
    total = sum(loads)
    measured = band.side(total / len(loads))
    if measured < 0:
        total += unknown * band.neutral
    direction = band.side(total / (len(loads) + unknown))
    return Lean(measured, direction if direction == measured else 0, total)
