"""What a generator did in one short slice of time, and whether that is the rate it was asked for. Pure."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

OFFERED_SHARE = 0.97
"""How much of the asked rate must really be offered."""

LATE_SECONDS = 0.005
"""By how much the 99th percentile of arrivals may be late."""


class Mode(StrEnum):
    """How requests connect."""

    NEW = "a new connection each"
    KEPT = "kept connections"


class Slice(msgspec.Struct, frozen=True, kw_only=True):
    """One slice: `asked` [1/s] is None where the generator went as fast as it could.

    `offered` is in requests/s. Lateness, in seconds, is how long after its scheduled instant a request began; None: the
    generator does not tell. CPU is that of the generator's process, start-up of Locust excepted.
    """

    asked: float | None
    offered: float
    errors: int = 0
    dropped: int = 0
    late_p50_seconds: float | None = None
    late_p99_seconds: float | None = None
    cpu_seconds_per_request: float | None = None

    @property
    def sustained(self) -> bool:
        """Whether this was the asked rate, in time, with nothing lost."""
        return (
            self.asked is not None
            and not self.errors
            and not self.dropped
            and self.offered >= OFFERED_SHARE * self.asked
            and (self.late_p99_seconds or 0.0) <= LATE_SECONDS
        )


def quantile(values: Sequence[float], q: float) -> float | None:
    """Return the q-quantile (0 < q ≤ 1) of values in any order, one that is among them; None if there are none."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(q * len(ranked)) - 1)] if ranked else None


def lateness(starts: Sequence[float], rate: float) -> list[float]:
    """Return by how many seconds each of these instants [s], in order, is late on a schedule of constant gaps [1/s].

    The schedule's origin is not known: it is taken to be the latest that lets nothing be early.
    """
    behind = [start - number / rate for number, start in enumerate(starts)]
    earliest = min(behind, default=0.0)
    return [each - earliest for each in behind]
