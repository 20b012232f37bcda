"""Poisson arrivals whose rate varies with time, by thinning. Pure mathematics."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING, NamedTuple

from swarm_ext.arrivals.process import PointProcess

if TYPE_CHECKING:
    from collections.abc import Iterator

    from swarm_ext.arrivals.rate_profile import Piece, RateProfile

SLICE_ARRIVALS = 1000
"""A piece is cut into slices of at most so many candidates: what a stream that begins late has to draw in vain."""


class _Slice(NamedTuple):
    """A part of a piece, from `low` to `high` seconds after the piece's beginning, which is at `start`."""

    number: int
    piece: Piece
    start: float
    low: float
    high: float


class VaryingPoisson(PointProcess):
    """An inhomogeneous Poisson process: the rate λ(t) of each stream is given by a profile, and ends with it.

    Candidates come at a constant rate λ*, and each is kept with probability λ(t)/λ* (Lewis and Shedler, Simulation of
    Nonhomogeneous Poisson Processes by Thinning, Naval Research Logistics Quarterly 26, 1979, algorithm 1). λ* is the
    highest rate of each slice of the profile, so that a quiet hour costs nothing, however high the rates around it are.

    Counts in disjoint slices are independent, so each slice has a generator of its own, made from the stream's. Hence a
    stream has the same arrivals under one seed whenever it begins: one that begins late only lacks the first of them.
    """

    __slots__ = ("profile",)

    kind = "profile"

    def __init__(self, profile: RateProfile) -> None:
        self.profile = profile

    def __repr__(self) -> str:
        return f"VaryingPoisson({self.profile.text} /s)"

    def __str__(self) -> str:
        return f"Poisson with λ(t) = {self.profile} /s"

    @property
    def ends_at(self) -> float:
        """When the profile ends [s]."""
        return self.profile.seconds

    def rate_at(self, second: float) -> float:
        """Return λ [1/s] at an instant of the run."""
        return self.profile.rate_at(second)

    def hazard_between(self, last: float, now: float) -> float:
        """Return ∫ λ between two instants: whatever came before, the process has no memory of it."""
        return self.profile.arrivals_until(now) - self.profile.arrivals_until(last)

    def first_hazard_between(self, begin: float, now: float) -> float:
        """Return ∫ λ between a stream's beginning and an instant."""
        return self.hazard_between(begin, now)

    def instants(self, rng: random.Random, begin: float) -> Iterator[float]:
        """Yield the instants after `begin`, to the profile's end. What is drawn is the same for every `begin`."""
        base = rng.getrandbits(128)
        for part in self._slices(begin):
            own = random.Random(f"slice {part.number} of stream {base}")
            for x in thinned(part.piece, part.low, part.high, own):
                if part.start + x > begin:
                    yield part.start + x

    def _slices(self, begin: float) -> Iterator[_Slice]:
        """Yield the slices that are not over at `begin`."""
        profile = self.profile
        number = 0
        for index, piece in enumerate(profile.pieces):
            start = profile.starts[index]
            count = max(1, math.ceil(piece.highest(0.0, piece.seconds) * piece.seconds / SLICE_ARRIVALS))
            width = piece.seconds / count
            first = min(count, max(0, int((begin - start) / width)))
            for k in range(first, count):
                high = piece.seconds if k + 1 == count else (k + 1) * width
                yield _Slice(number + k, piece, start, k * width, high)
            number += count


def thinned(piece: Piece, low: float, high: float, rng: random.Random) -> Iterator[float]:
    """Yield the instants of a Poisson process of a piece's rate between `low` and `high`, seconds since it began."""
    bound = piece.highest(low, high)
    if bound <= 0:
        return
    x = low
    while True:
        x -= math.log(1.0 - rng.random()) / bound
        if x >= high:
            return
        rate = piece.rate(x)
        if rate >= bound or rng.random() * bound < rate:
            yield x
