"""A rate that varies with time, λ(t), made of pieces: steps, ramps and waves. Pure mathematics.

>>> profile = RateProfile([Ramp(10, 10, 60), Ramp(10, 50, 120), Sine(30, 20, period=120, seconds=600)])
>>> profile.seconds, profile.rate_at(90), profile.rate_at(1000)
(780.0, 20.0, 0.0)
>>> profile.arrivals_until(60)
600.0
>>> str(profile)
'10@60s,10..50@120s,sine(30,20,120s)@600s'
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from swarm_ext.arrivals.process import not_negative, positive

if TYPE_CHECKING:
    from collections.abc import Sequence

_RATE_REMEDY = "give arrivals per second of one stream, such as 10"
_DURATION_REMEDY = "give seconds, such as 60"
_SHOWN_PIECES = 6


class Piece(ABC):
    """A stretch of a profile, `seconds` long. `x` is the time in seconds since the piece began."""

    seconds: float

    @abstractmethod
    def __str__(self) -> str:
        """Return its short form, without loss."""

    @abstractmethod
    def rate(self, x: float) -> float:
        """Return λ [1/s] at `x`."""

    @abstractmethod
    def arrivals(self, x: float) -> float:
        """Return the arrivals that are to be expected from 0 to `x`, ∫ λ."""

    @abstractmethod
    def highest(self, low: float, high: float) -> float:
        """Return the highest rate [1/s] between `low` and `high`: the least bound for thinning there."""


@dataclass(frozen=True)
class Ramp(Piece):
    """A rate that goes from `first` to `last` [1/s] in a straight line; a step where both are the same.

    Raise ValueError unless both are 0 or above and `seconds` is above 0.
    """

    first: float
    last: float
    seconds: float

    def __post_init__(self) -> None:
        not_negative("rate", self.first, _RATE_REMEDY)
        not_negative("rate", self.last, _RATE_REMEDY)
        positive("duration", self.seconds, _DURATION_REMEDY)

    def __str__(self) -> str:
        to = "" if self.first == self.last else f"..{short(self.last)}"
        return f"{short(self.first)}{to}@{short(self.seconds)}s"

    def rate(self, x: float) -> float:
        """Return λ [1/s] at `x`."""
        return self.first + (self.last - self.first) * (x / self.seconds)

    def arrivals(self, x: float) -> float:
        """Return ∫ λ from 0 to `x`: a trapezium."""
        return (self.first + self.rate(x)) / 2 * x

    def highest(self, low: float, high: float) -> float:
        """Return the higher end."""
        return max(self.rate(low), self.rate(high))


@dataclass(frozen=True)
class Sine(Piece):
    """A wave: λ(x) = `mean` + `amplitude`·sin(2πx/`period`), in 1/s, 1/s and s, for `seconds`.

    Raise ValueError unless 0 ≤ `amplitude` ≤ `mean` and `period` and `seconds` are above 0.
    """

    mean: float
    amplitude: float
    period: float
    seconds: float

    def __post_init__(self) -> None:
        positive("mean", self.mean, _RATE_REMEDY)
        not_negative("amplitude", self.amplitude, _RATE_REMEDY)
        positive("period", self.period, _DURATION_REMEDY)
        positive("duration", self.seconds, _DURATION_REMEDY)
        if self.amplitude > self.mean:
            raise ValueError(
                f"amplitude is {self.amplitude:g}, above the mean, {self.mean:g}; a rate cannot be negative: give an"
                " amplitude of at most the mean"
            )

    def __str__(self) -> str:
        wave = f"{short(self.mean)},{short(self.amplitude)},{short(self.period)}s"
        return f"sine({wave})@{short(self.seconds)}s"

    def rate(self, x: float) -> float:
        """Return λ [1/s] at `x`."""
        return max(0.0, self.mean + self.amplitude * math.sin(math.tau * (x / self.period)))

    def arrivals(self, x: float) -> float:
        """Return ∫ λ from 0 to `x`."""
        turned = 1 - math.cos(math.tau * (x / self.period))
        return self.mean * x + self.amplitude * self.period / math.tau * turned

    def highest(self, low: float, high: float) -> float:
        """Return the crest's rate if there is one between `low` and `high`, else that of the higher end."""
        crest = (math.ceil(low / self.period - 0.25) + 0.25) * self.period
        if crest <= high:
            return self.mean + self.amplitude
        return max(self.rate(low), self.rate(high))


class RateProfile:
    """λ(t), in arrivals per second of one stream, with t in seconds since the run began: the pieces one after the other.

    Before 0 and from `seconds` on the rate is 0; where pieces meet it is the later one's. Immutable; `str` is short and for
    reading, `text` is complete. Raise ValueError if there is no piece, or not one arrival to be expected of all of them.
    """

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self.pieces = tuple(pieces)
        self.starts = tuple(accumulate((piece.seconds for piece in pieces), initial=0.0))
        """When each piece begins, and when the last one ends [s]."""
        self._before = tuple(accumulate((piece.arrivals(piece.seconds) for piece in pieces), initial=0.0))
        self.text = ",".join(map(str, self.pieces))
        if not 0 < self._before[-1] < math.inf or self.seconds == math.inf:
            raise ValueError(
                f"{self.text!r} asks for no arrivals, or for no end of them: give a rate above 0 for a while, such as 10@60s"
            )

    def __str__(self) -> str:
        if len(self.pieces) <= _SHOWN_PIECES:
            return self.text
        shown = [*map(str, self.pieces[: _SHOWN_PIECES - 2]), "…", str(self.pieces[-1])]
        return f"{','.join(shown)} ({len(self.pieces)} pieces, {self.seconds:g} s)"

    def __repr__(self) -> str:
        return f"parse_profile({self.text!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RateProfile) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return self.starts[-1]

    def piece_at(self, t: float) -> int:
        """Return the index of the piece in force at `t`; that of the nearest one outside the profile."""
        return min(max(bisect_right(self.starts, t) - 1, 0), len(self.pieces) - 1)

    def rate_at(self, t: float) -> float:
        """Return λ [1/s] at `t`."""
        if not 0 <= t < self.seconds:
            return 0.0
        index = self.piece_at(t)
        return self.pieces[index].rate(t - self.starts[index])

    def arrivals_until(self, t: float) -> float:
        """Return the arrivals that are to be expected of one stream from 0 to `t`, Λ(t) = ∫ λ."""
        if t <= 0:
            return 0.0
        if t >= self.seconds:
            return self._before[-1]
        index = self.piece_at(t)
        return self._before[index] + self.pieces[index].arrivals(t - self.starts[index])


def short(number: float) -> str:
    """Return a number without loss, and without a fraction of nothing: `60`, `0.1`."""
    return repr(float(number)).removesuffix(".0")
