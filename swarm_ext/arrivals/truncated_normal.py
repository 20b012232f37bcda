"""The normal law cut off at zero whose own mean and standard deviation are as asked. Pure mathematics.

Of all laws on [0, ∞) with mean μ and standard deviation σ < μ it has the largest entropy. Its parent, the normal law
N(m, s²) that is cut, has other moments than μ and σ. With the cut at α = -m/s in the parent's own units, φ and Q the
standard normal density and upper tail, and d(z) = φ(z)/Q(z) - z, the mean excess over z, they hang together by (Johnson,
Kotz, Balakrishnan, Continuous Univariate Distributions 1, 2nd ed., section 13.10.1)

    μ = s·d        (σ/μ)² = (1 - (α + d)·d) / d²        d = d(α)

As σ/μ goes to 1 the law becomes exponential while α grows without bound. There d is taken from Laplace's continued
fraction, d(z) = 1/(z + 2/(z + 3/(z + …))), so that nothing cancels and nothing underflows.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING

from swarm_ext.arrivals.process import ArrivalProcess

if TYPE_CHECKING:
    import random

_SQRT_HALF = math.sqrt(0.5)
_LOG_SQRT_2_PI = math.log(2 * math.pi) / 2
_FRACTION_FROM = 3.0
"""From this z on d(z) is taken from the continued fraction: erfc would lose digits by cancellation."""
_TAIL_FROM = 25.0
"""From this z on Q(z) itself is never formed: it would soon underflow."""
_BELOW_ONE = math.nextafter(1.0, 0.0)


class TruncatedNormal(ArrivalProcess):
    """Gaps of mean `mu` and standard deviation `sigma`, in seconds; that 0 < sigma < mu is the caller's duty.

    `cut` is α, the place of zero in the parent's units, and `parent_std` is s, in seconds; so m = -cut * parent_std.
    """

    __slots__ = ("_log_tail_at_cut", "_mirrored", "_mu", "_sigma", "_tail_at_cut", "cut", "parent_std")

    kind = "normal"

    def __init__(self, mu: float, sigma: float) -> None:
        self._mu = mu
        self._sigma = sigma
        self.cut = _solve_cut(mu, sigma)
        self.parent_std = mu / _mean_excess(self.cut)
        # The parent's mirror image, N(-m, s²): its lower tail is the parent's upper one, which is what a float resolves.
        self._mirrored = NormalDist(self.cut * self.parent_std, self.parent_std)
        self._tail_at_cut = min(math.erfc(self.cut * _SQRT_HALF) / 2, _BELOW_ONE)
        self._log_tail_at_cut = _log_tail(self.cut)

    def __repr__(self) -> str:
        return f"TruncatedNormal(mu={self._mu!r} s, sigma={self._sigma!r} s)"

    @property
    def mean(self) -> float:
        """Mean gap in seconds."""
        return self._mu

    @property
    def std(self) -> float:
        """Standard deviation of the gap in seconds."""
        return self._sigma

    def hazard(self, gap: float) -> float:
        """Return the cumulative hazard of a gap in seconds: ln Q(α) - ln Q(z), z being the gap in the parent's units."""
        if gap <= 0:
            return 0.0
        if self.cut < _TAIL_FROM:
            return max(0.0, self._log_tail_at_cut - _log_tail((gap + self._mirrored.mean) / self.parent_std))
        t = gap / self.parent_std
        return t * (self.cut + t / 2) + math.log(_hazard_rate(self.cut + t) / _hazard_rate(self.cut))

    def residual_hazard(self, gap: float) -> float:
        """Return the cumulative hazard of the wait from an arbitrary instant: the integral of Q is Q(z)·d(z)."""
        hazard = self.hazard(gap)
        if gap <= 0 or hazard == math.inf:
            return hazard
        z = (gap + self._mirrored.mean) / self.parent_std
        return hazard + math.log(_mean_excess(self.cut) / _mean_excess(z))

    def draw(self, rng: random.Random) -> float:
        """Return one gap in seconds.

        By inverse transform of the upper tail, which a float resolves down to Q(37), by Wichura's AS 241 in the standard
        library. Where the law is all but exponential, by rejection from the exponential that touches it at zero (Robert,
        Simulation of truncated normal variables, Statistics and Computing 5, 1995, section 2.1).
        """
        if self.cut < _TAIL_FROM:
            return max(0.0, -self._mirrored.inv_cdf(self._tail_at_cut * (1.0 - rng.random())))
        while True:  # rejects fewer than one in 600
            t = -math.log(1.0 - rng.random()) / self.cut
            if rng.random() < math.exp(-t * t / 2):
                return t * self.parent_std


def _solve_cut(mu: float, sigma: float) -> float:
    """Return α for which the truncated law's σ/μ is the one asked for, by bisection to the last bit of a float.

    σ/μ grows with α, is below 1/|α| for α < 0, and 1 - (σ/μ)² is below 2/α² for α > 0: that is the bracket.
    """
    ratio = sigma / mu
    complement = (1 - ratio) * (1 + ratio)
    low, high = -1 / ratio, max(_FRACTION_FROM, math.sqrt(2 / complement))
    for _ in range(200):
        middle = (low + high) / 2
        if not low < middle < high:
            break
        if _varies_more(middle, ratio, complement):
            high = middle
        else:
            low = middle
    return high


def _varies_more(cut: float, ratio: float, complement: float) -> bool:
    """Return whether σ/μ at this α exceeds `ratio`; `complement` is 1 - ratio²."""
    if cut < _FRACTION_FROM:
        excess = _mean_excess(cut)
        return math.sqrt(1 - (cut + excess) * excess) / excess > ratio
    third = _fraction(cut, 3)
    return 2 * (third - 2 / (cut + third)) / (cut + third) < complement


def _log_tail(z: float) -> float:
    """Return ln Q(z)."""
    if z < _TAIL_FROM:
        return math.log(math.erfc(z * _SQRT_HALF) / 2)
    return -z * z / 2 - _LOG_SQRT_2_PI - math.log(_hazard_rate(z))


def _hazard_rate(z: float) -> float:
    """Return φ(z)/Q(z) for z > 3."""
    return z + _mean_excess(z)


def _mean_excess(z: float) -> float:
    """Return d(z) = φ(z)/Q(z) - z: how far, on average, a standard normal variable above z is above it."""
    if z < _FRACTION_FROM:
        return math.exp(-z * z / 2 - _LOG_SQRT_2_PI - _log_tail(z)) - z
    return _fraction(z, 1)


def _fraction(z: float, first: int) -> float:
    """Return first/(z + (first+1)/(z + (first+2)/(z + …))) for z ≥ 3, to the last digits of a float."""
    value = 0.0
    deepest = int(12 + 500 / (z * z))
    for level in range(deepest, first - 1, -1):
        value = level / (z + value)
    return value
