"""The search for the highest rate that a generator sustains, one slice after the other. Pure.

The steps are powers of one factor. From the start it leaps 1, 2, 4, … steps up (or down) until it has one rate that was
sustained and a higher one that was not, and halves the distance until they are neighbours (Bentley and Yao 1976:
unbounded search). A rate counts as not sustained when all its tries have failed: one slice may have met a busy moment.
"""

from __future__ import annotations

STEP = 1.12


class Staircase:
    """One search: run a slice at `rate` [1/s] and `record` how it went, until it is `done`.

    `most_slices` bounds it. Raise ValueError where `start` is not positive.
    """

    def __init__(self, start: float, *, step: float = STEP, tries: int = 2, most_slices: int = 20) -> None:
        if not start > 0:
            raise ValueError(f"start is {start!r}; a search begins at a rate above 0")
        self._start = start
        self._step = step
        self._tries = self._tries_left = tries
        self._slices_left = most_slices
        self._at = 0
        self._leap = 1
        self._held: int | None = None
        self._failed: int | None = None

    @property
    def rate(self) -> float:
        """The rate to try now."""
        return self._rate(self._at)

    @property
    def found(self) -> float | None:
        """The highest rate that was sustained so far."""
        return None if self._held is None else self._rate(self._held)

    @property
    def done(self) -> bool:
        """Whether the rate next above the one found is known to be too high, or the slices are used up."""
        if self._held is not None and self._failed is not None and self._failed - self._held == 1:
            return True
        return not self._slices_left

    def record(self, *, sustained: bool) -> None:
        """Take how the slice at `rate` went, and move on."""
        self._slices_left -= 1
        if sustained:
            self._held = self._at
        else:
            self._tries_left -= 1
            if self._tries_left:
                return
            self._failed = self._at
        self._tries_left = self._tries
        self._move()

    def _move(self) -> None:
        if self._held is not None and self._failed is not None:
            self._at = (self._held + self._failed) // 2
        else:
            self._at += self._leap if self._failed is None else -self._leap
            self._leap *= 2

    def _rate(self, steps: int) -> float:
        return self._start * self._step**steps
