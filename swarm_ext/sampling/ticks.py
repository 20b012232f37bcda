"""A regular schedule that does not drift: pure arithmetic on a monotonic clock."""

from __future__ import annotations

import math


def next_tick(previous: float, now: float, interval_seconds: float) -> float:
    """Return the first instant after `now` on the grid `previous` + n × `interval_seconds`, n ≥ 1.

    Ticks that were missed are skipped, and a late one does not shift those after it. Times are in seconds of one
    monotonic clock.
    """
    missed = max(0, math.floor((now - previous) / interval_seconds))
    tick = previous + (missed + 1) * interval_seconds
    return tick if tick > now else tick + interval_seconds
