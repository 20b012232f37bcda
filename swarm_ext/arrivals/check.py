"""Whether the measured gaps are those of the asked process, in constant memory. Pure mathematics.

By the time-rescaling theorem (Brown et al., Neural Computation 14, 2002, section 2) the cumulative hazards of the gaps of
a stream are the gaps of a Poisson process of rate one, whatever the asked process, if the arrivals are as asked. So the
hazards of all streams, laid end to end, make one such process; also where rates vary with time. Its count is Poisson with the total hazard for its
mean (`rate_test`), and its gaps h are exponential, so 1 - exp(-h) is uniform (`kolmogorov_smirnov`).

The last interval of a stream is censored: its arrival never came. Left out, it would bias the rest towards short gaps
(the more, the shorter the streams); here its hazard is carried over to the first gap of the stream laid next, as the
theorem has it. Streams are laid in the order in which they end. Only the last one's end stays censored.
"""

from __future__ import annotations

import math
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from swarm_ext.model import ArrivalCheck

if TYPE_CHECKING:
    from collections.abc import Iterable

    from swarm_ext.arrivals.process import PointProcess

_BINS = 1000


class ArrivalChecker:
    """Checks the streams of one operating-system process, all of one arrival process; None means closed-loop load.

        checker = ArrivalChecker(Poisson(rate=20))
        stream = checker.stream()
        stream.arrival(0.03)
        stream.arrival(0.08)
        stream.end(0.01)
        checker.snapshot().observed  # 2

    Where the gaps have no density (`Constant`, closed-loop load) arrivals are counted and nothing else.
    """

    def __init__(self, process: PointProcess | None) -> None:
        self._process = process if process is not None and process.has_density else None
        self._tally = _Tally()

    def stream(self, begin_seconds: float = 0.0) -> StreamCheck:
        """Begin a stream, so long after the run's beginning: its first gap is counted from now.

        That one follows the residual law where there is one, later ones the law itself.
        """
        return StreamCheck(self._process, self._tally, begin_seconds)

    def snapshot(self) -> ArrivalCheck:
        """Return the check so far. It is exact when every stream has ended.

        Of a stream that still lives the time since its last arrival is not in `expected`, and its first gap is not in `uniforms`.
        """
        if self._process is None:
            return ArrivalCheck(observed=self._tally.observed, expected=None, uniforms=None)
        return ArrivalCheck(
            observed=self._tally.observed, expected=self._tally.expected, uniforms=tuple(self._tally.uniforms)
        )


class _Tally:
    """What the streams of a checker add to; `carried` is the hazard of the censored end that awaits the next stream."""

    __slots__ = ("carried", "expected", "observed", "uniforms")

    def __init__(self) -> None:
        self.observed = 0
        self.expected = 0.0
        self.carried = 0.0
        self.uniforms = [0] * _BINS

    def put(self, hazard: float) -> None:
        """Count one gap of rescaled time."""
        bin_ = int(-math.expm1(-hazard) * _BINS)
        self.uniforms[bin_ if bin_ < _BINS else -1] += 1


class StreamCheck:
    """One stream of an `ArrivalChecker`: told of every arrival, in order, and then of the end."""

    __slots__ = ("_first", "_last", "_process", "_tally")

    def __init__(self, process: PointProcess | None, tally: _Tally, begin_seconds: float) -> None:
        self._process = process
        self._tally = tally
        self._last = begin_seconds
        self._first: float | None = None

    def arrival(self, gap_seconds: float) -> None:
        """Tell of an arrival, so many seconds after the previous one, or after the stream's beginning for the first."""
        tally = self._tally
        tally.observed += 1
        process = self._process
        if process is None:
            return
        now = self._last + gap_seconds
        if self._first is None:
            self._first = hazard = process.first_hazard_between(self._last, now)
        else:
            hazard = process.hazard_between(self._last, now)
            tally.put(hazard)
        tally.expected += hazard
        self._last = now

    def end(self, elapsed_seconds: float) -> None:
        """Tell that the stream has ended, so many seconds after its last arrival (its beginning, if it had none).

        Lays the stream behind those that ended before. Telling it again does nothing; no arrival may follow.
        """
        process, tally = self._process, self._tally
        if process is None:
            return
        self._process = None
        now = self._last + elapsed_seconds
        if self._first is None:
            censored = process.first_hazard_between(self._last, now)
            tally.carried += censored
        else:
            censored = process.hazard_between(self._last, now)
            tally.put(tally.carried + self._first)
            tally.carried = censored
        tally.expected += censored


def merge(checks: Iterable[ArrivalCheck]) -> ArrivalCheck:
    """Return the check of several checkers together: one for each operating-system process, or for each arrival process.

    Each of them has its own censored last end, which is nothing beside thousands of gaps. `expected` and `uniforms` are
    None when they are in any of the checks, or when there is none. Raise ValueError when numbers of bins differ.
    """
    observed, expected = 0, 0.0
    uniforms: list[int] | None = None
    judged = True
    for check in checks:
        observed += check.observed
        if check.expected is None or check.uniforms is None:
            judged = False
            continue
        expected += check.expected
        uniforms = _added(uniforms, check.uniforms)
    if not judged or uniforms is None:
        return ArrivalCheck(observed=observed, expected=None, uniforms=None)
    return ArrivalCheck(observed=observed, expected=expected, uniforms=tuple(uniforms))


def _added(total: list[int] | None, counts: tuple[int, ...]) -> list[int]:
    """Return the sum of two histograms, bin by bin; None stands for an empty one."""
    if total is None:
        return list(counts)
    if len(total) != len(counts):
        raise ValueError(
            f"arrival checks have {len(total)} and {len(counts)} bins; only checks of equally many can be merged:"
            " run the same version of swarm-ext on every machine"
        )
    return [a + b for a, b in zip(total, counts, strict=True)]


class KsResult(NamedTuple):
    """A Kolmogorov-Smirnov test: the largest distance of the distribution functions, its p-value, how many gaps."""

    statistic: float
    p_value: float
    n: int


def kolmogorov_smirnov(check: ArrivalCheck) -> KsResult | None:
    """Test the gaps against the asked law; None when there is nothing to judge.

    The distance is taken at the edges of the bins, so it is short of the true one by at most the share of one bin:
    the test errs on the side of acceptance, by little up to millions of gaps. The p-value is Kolmogorov's limit law at
    (√n + 0.12 + 0.11/√n)·D, which is good from n = 5 on (Stephens, J. Royal Statistical Society B 32, 1970).
    """
    if not check.uniforms or not (n := sum(check.uniforms)):
        return None
    bins = len(check.uniforms)
    edges = enumerate(accumulate(check.uniforms), start=1)
    statistic = max(abs(below / n - i / bins) for i, below in edges)
    root = math.sqrt(n)
    return KsResult(statistic, kolmogorov_tail((root + 0.12 + 0.11 / root) * statistic), n)


def kolmogorov_tail(x: float) -> float:
    """Return P(K > x) of Kolmogorov's limit law: 2·Σ (-1)^(k-1)·exp(-2k²x²), or below 1 its theta-transformed series."""
    if x <= 0.1:
        return 1.0
    if x < 1:
        terms = (math.exp(-(((2 * k - 1) * math.pi / x) ** 2) / 8) for k in range(1, 6))
        return 1 - math.sqrt(2 * math.pi) / x * math.fsum(terms)
    return 2 * math.fsum((-1) ** (k - 1) * math.exp(-2 * (k * x) ** 2) for k in range(1, 6))


def rate_test(check: ArrivalCheck) -> float | None:
    """Return by how many standard deviations the number of arrivals exceeds the asked one; None if there is none to judge.

    In rescaled time the count is Poisson with mean and variance `expected`, for every renewal process; so the score is
    standard normal if the rate is as asked, from some tens of arrivals on.
    """
    if not check.expected:
        return None
    return (check.observed - check.expected) / math.sqrt(check.expected)
