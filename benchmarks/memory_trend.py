"""Whether memory grows: a line through points of it. Pure."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, NamedTuple

from scipy import stats  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from collections.abc import Sequence

SETTLED_SECONDS = 120.0
"""What came before is start-up: the two minutes that samplers and charts remember fill up."""


class Trend(NamedTuple):
    """The slope [bytes/s] of a line through points, and the ends of its 95 % confidence interval."""

    slope: float
    low: float
    high: float


def trend(points: Sequence[tuple[float, float]]) -> Trend | None:
    """Return the least-squares slope of (seconds, bytes) after start-up; None with fewer than three points.

    The interval takes the points' errors as independent (Student's t, n - 2 degrees of freedom).
    """
    settled = [point for point in points if point[0] > SETTLED_SECONDS]
    n = len(settled)
    if n < 3:
        return None
    times, values = zip(*settled, strict=True)
    slope, intercept = statistics.linear_regression(times, values)
    squares = sum((value - intercept - slope * at) ** 2 for at, value in settled)
    margin = (
        float(stats.t.ppf(0.975, n - 2)) * (squares / (n - 2) / (n - 1) / statistics.variance(times)) ** 0.5
    )
    return Trend(slope, slope - margin, slope + margin)
