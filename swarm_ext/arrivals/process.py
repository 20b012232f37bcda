"""What an arrival process is: when the arrivals of one stream are due. Pure mathematics.

The generator asks a `PointProcess`; most are an `ArrivalProcess`, whose gaps all have one law. That one is told by its cumulative hazards, H(x) = -ln P(gap > x), rather than by its distribution function: they stay
accurate far into the tail, where 1 - F(x) has long been rounded to nothing, and they are what time rescaling needs.
"""

from __future__ import annotations

import math
import sys
from abc import ABC, abstractmethod
from itertools import accumulate, islice
from numbers import Real
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator


class PointProcess(ABC):
    """When the arrivals of a stream are due, in seconds since the run began, whenever in it the stream begins.

    A process is immutable, and equal to another of its class with the same `repr`.
    """

    __slots__ = ()

    kind: ClassVar[str] = "custom"
    """`poisson`, `normal`, `constant`, `profile` or `custom`: how records name the process."""

    @abstractmethod
    def __repr__(self) -> str:
        """Name the law and every parameter, without loss and with its unit: it is the identity of the process."""

    @property
    def ends_at(self) -> float:
        """From how many seconds after the run's beginning on no arrival is due; math.inf: there is no end."""
        return math.inf

    @property
    def has_density(self) -> bool:
        """Whether gaps vary at all: only then are their hazards, seen together, a Poisson process of rate one."""
        return True

    @abstractmethod
    def rate_at(self, second: float) -> float:
        """Return the arrival rate [1/s] at an instant of the run, over all that may have happened before it."""

    @abstractmethod
    def instants(self, rng: random.Random, begin: float) -> Iterator[float]:
        """Yield the instants of a stream that begins at `begin`, in order, drawn with `rng`, in constant memory."""

    @abstractmethod
    def hazard_between(self, last: float, now: float) -> float:
        """Return the cumulative hazard at `now` of the gap that began with the arrival at `last`."""

    @abstractmethod
    def first_hazard_between(self, begin: float, now: float) -> float:
        """Return the same of a stream's first gap, which began with the stream and not with an arrival."""

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash((type(self), repr(self)))


class ArrivalProcess(PointProcess):
    """A stationary renewal process: independent gaps in seconds, all of one law, seen from an arbitrary instant on.

    A law of one's own gives its `repr`, `mean`, `std` and its two hazards; everything else follows from them:

        class Erlang2(ArrivalProcess):  # the sum of two exponential stages of mean `stage` seconds
            def __init__(self, stage):
                self.stage = stage

            def __repr__(self):
                return f"Erlang2(stage={self.stage!r} s)"

            @property
            def mean(self):
                return 2 * self.stage

            @property
            def std(self):
                return math.sqrt(2) * self.stage

            def hazard(self, gap):
                x = max(0.0, gap) / self.stage
                return x - math.log1p(x)

            def residual_hazard(self, gap):
                x = max(0.0, gap) / self.stage
                return x - math.log1p(x / 2)
    """

    __slots__ = ()

    @property
    @abstractmethod
    def mean(self) -> float:
        """Mean gap in seconds."""

    @property
    @abstractmethod
    def std(self) -> float:
        """Standard deviation of the gap in seconds."""

    @abstractmethod
    def hazard(self, gap: float) -> float:
        """Return the cumulative hazard of a gap in seconds, -ln P(longer): 0 at 0, math.inf where none is longer."""

    @abstractmethod
    def residual_hazard(self, gap: float) -> float:
        """Return the cumulative hazard of the wait in seconds from an arbitrary instant to the next arrival.

        Its law is the equilibrium (residual) law, of density P(gap > x) / mean (Cox, Renewal Theory, 1962, section 5.2).
        """

    @property
    def rate(self) -> float:
        """Arrivals per second."""
        return 1 / self.mean

    def rate_at(self, second: float) -> float:  # noqa: ARG002 - the same at any time
        """Return the arrivals per second."""
        return self.rate

    def instants(self, rng: random.Random, begin: float) -> Iterator[float]:
        """Yield the instants of a stream that begins at `begin`: each a gap after the one before."""
        return islice(accumulate(self.gaps(rng), initial=begin), 1, None)

    def hazard_between(self, last: float, now: float) -> float:
        """Return the cumulative hazard of the gap between two instants."""
        return self.hazard(now - last)

    def first_hazard_between(self, begin: float, now: float) -> float:
        """Return the cumulative hazard of the wait from a stream's beginning."""
        return self.residual_hazard(now - begin)

    def cdf(self, gap: float) -> float:
        """Return the probability that a gap is no longer than `gap` seconds."""
        return -math.expm1(-self.hazard(gap))

    def residual_cdf(self, gap: float) -> float:
        """Return the probability that, from an arbitrary instant, the next arrival is within `gap` seconds."""
        return -math.expm1(-self.residual_hazard(gap))

    def draw(self, rng: random.Random) -> float:
        """Return one gap in seconds, drawn with `rng`."""
        return invert(self.hazard, -math.log(1.0 - rng.random()), self.mean)

    def draw_residual(self, rng: random.Random) -> float:
        """Return one wait in seconds from an arbitrary instant to the next arrival, drawn with `rng`."""
        return invert(self.residual_hazard, -math.log(1.0 - rng.random()), self.mean)

    def gaps(self, rng: random.Random) -> Iterator[float]:
        """Yield gaps in seconds without end, in constant memory; the first one is drawn from the residual law.

        So streams that begin together do not fire together, and their rate is `rate` from the first instant on.
        """
        yield self.draw_residual(rng)
        draw = self.draw
        while True:
            yield draw(rng)


def invert(hazard: Callable[[float], float], target: float, scale: float) -> float:
    """Return the smallest gap in seconds whose hazard reaches `target`, by bisection to 2^-64 of its bracket.

    `scale` is where the search begins, in seconds: the order of magnitude of the answer. With `target` exponential
    of mean one, the answer follows the law of the hazard (inverse transform sampling).
    """
    low, high = 0.0, scale
    while hazard(high) < target and high < math.inf:
        low, high = high, 2 * high
    for _ in range(64):
        middle = (low + high) / 2
        if hazard(middle) < target:
            low = middle
        else:
            high = middle
    return high


def positive(name: str, value: float, remedy: str) -> float:
    """Return a parameter as a float; raise ValueError, ending in `remedy`, unless it is a finite number above 0."""
    number = _as_float(value)
    if not sys.float_info.min <= number < math.inf:
        raise ValueError(f"{name} is {value!r}; it must be a finite number above 0: {remedy}")
    return number


def not_negative(name: str, value: float, remedy: str) -> float:
    """Return a parameter as a float; raise ValueError, ending in `remedy`, unless it is a finite number from 0 on."""
    number = _as_float(value)
    if not 0 <= number < math.inf:
        raise ValueError(f"{name} is {value!r}; it must be a finite number, 0 or above: {remedy}")
    return number


def _as_float(value: object) -> float:
    """Return a real number as a float, and NaN for anything else: text and truth values are not numbers here."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.inf
