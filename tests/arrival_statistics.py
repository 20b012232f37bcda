"""Statistical tests of arrivals: is this the process that was asked for? Pure mathematics.

Each test returns a p-value: a faultless generator is rejected at `FALSE_ALARM` by each of them with that probability, and
by any of m of them with at most m times it. Instants are seconds, in order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

FALSE_ALARM = 1e-3
"""The share of faultless generators that each test rejects."""


def gaps(instants: Sequence[float] | Floats, *, every: int = 1) -> Floats:
    """Return the durations from each `every`-th instant to the next such one: sums of so many gaps, none used twice."""
    return np.diff(np.asarray(instants, dtype=float)[::every])


def fits(durations: Sequence[float] | Floats, cdf: Callable[[Floats], Floats]) -> float:
    """Return the p-value of the one-sample Kolmogorov-Smirnov test against a law, given by its distribution function.

    False alarms: exactly the level, for independent durations and a continuous law that was not fitted to them.
    """
    return float(stats.kstest(np.asarray(durations), cdf).pvalue)


def fits_poisson(instants: Sequence[float] | Floats, rate: float, *, every: int = 1) -> float:
    """Return the p-value of the same test for a Poisson process: sums of `every` gaps follow the Erlang law of that order.

    Shifts of single arrivals by J seconds blur a sum of k gaps by about J/(√k·its standard deviation) only, while an error
    of the rate, or a grid, shows in n/k sums as in n gaps.
    """
    return fits(gaps(instants, every=every), stats.gamma(every, scale=1 / rate).cdf)


def fits_within(
    durations: Sequence[float] | Floats, cdf: Callable[[Floats], Floats], tolerance: float
) -> float:
    """Return the p-value of the same test for durations that may each be off by up to a tolerance, in seconds.

    So the distance counts only as far as the empirical distribution function leaves the band from F(x - tolerance) to
    F(x + tolerance). False alarms: at most the level.
    """
    measured = np.sort(np.asarray(durations, dtype=float))
    n = len(measured)
    above = np.arange(1, n + 1) / n - cdf(measured + tolerance)
    below = cdf(measured - tolerance) - np.arange(n) / n
    return float(stats.kstwo.sf(max(0.0, above.max(), below.max()), n))


def same_law(some: Sequence[float] | Floats, others: Sequence[float] | Floats) -> float:
    """Return the p-value of the two-sample Kolmogorov-Smirnov test. False alarms: the level, whatever the law."""
    return float(stats.ks_2samp(np.asarray(some), np.asarray(others)).pvalue)


def right_count(count: int, expected: float) -> float:
    """Return the two-sided p-value of a Poisson count. False alarms: at most the level, as counts are whole numbers."""
    law = stats.poisson(expected)
    return float(min(1.0, 2 * min(law.cdf(count), law.sf(count - 1))))


def counts(instants: Sequence[float] | Floats, window: float, begin: float, end: float) -> NDArray[np.int64]:
    """Return how many instants lie in each whole window of so many seconds between `begin` and `end`."""
    number = int((end - begin) / window + 1e-9)
    return np.histogram(instants, bins=number, range=(begin, begin + number * window))[0]


def dispersion(counted: NDArray[np.int64], expected: float) -> float:
    """Return the index of dispersion of counts about the mean that was asked for: 1 for a Poisson process."""
    return float(np.mean((counted - expected) ** 2) / expected)


def dispersed_as_poisson(counted: NDArray[np.int64], expected: float) -> float:
    """Return the two-sided p-value of that index (Cox & Lewis, The Statistical Analysis of Series of Events, 1966).

    n times the index is the sum of n squares (N - m)²/m. For a large mean m it is χ² with n degrees of freedom; for a small
    one its variance is n·(2 + 1/m), so a multiple of a χ² of fewer degrees is taken, which has that mean and variance.
    About the asked mean one window is enough. False alarms: the level to within a factor of two from a mean of 1 on.
    """
    windows = len(counted)
    stretch = 1 + 1 / (2 * expected)
    law = stats.chi2(windows / stretch, scale=stretch)
    value = windows * dispersion(counted, expected)
    return float(2 * min(law.cdf(value), law.sf(value)))
