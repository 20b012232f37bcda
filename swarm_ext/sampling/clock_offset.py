"""How far another machine's clock is from ours, from nothing but the time stamps of what it measured."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

POLLS_REMEMBERED = 60


class _Bounds(NamedTuple):
    lower: float
    upper: float


class ClockOffset:
    """Estimates a node's clock minus ours, in seconds, from polls of its measurements.

    A point stamped T by the node that has reached us when our clock says R was made before: the offset is at least
    T - R. A point stamped T that was not there yet when we asked at S came later: the offset is at most T - S. (That
    is Cristian's bracket, 1989, with measurements in place of messages.) Over the last 60 polls the highest lower and
    the lowest upper bound are kept, and the middle between them is the estimate: with a poll and a point about every
    second it is good to a few tenths of a second, better with many containers.

    The upper bound errs low by however long a node takes to publish a point after stamping it; where the two
    contradict each other the lower one, which cannot err, is the estimate.
    """

    def __init__(self) -> None:
        self._bounds: deque[_Bounds] = deque(maxlen=POLLS_REMEMBERED)

    def observe(
        self, *, newest: float, received: float, oldest_new: float | None, asked_before: float | None
    ) -> None:
        """Take in one poll. All are seconds since the epoch, the first of each pair on the node's clock.

        `newest` is the newest point's stamp and `received` when the reply was here; `oldest_new` the oldest stamp
        among points that the poll asked at `asked_before` should have given, had they been there (None: unknown).
        """
        upper = float("inf")
        if oldest_new is not None and asked_before is not None:
            upper = oldest_new - asked_before
        self._bounds.append(_Bounds(newest - received, upper))

    def forget(self) -> None:
        """Start again: the node's clock was set."""
        self._bounds.clear()

    @property
    def seconds(self) -> float | None:
        """The estimate; None before the first poll."""
        if not self._bounds:
            return None
        lower = max(bounds.lower for bounds in self._bounds)
        upper = min(bounds.upper for bounds in self._bounds)
        return (lower + upper) / 2 if lower <= upper < float("inf") else lower
