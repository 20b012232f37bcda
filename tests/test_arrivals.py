"""Arrival processes: their laws against independent numbers, their samples against their laws, their seeds.

Samples are drawn at fixed seeds and tested at a level of 1e-4 each: of all the statistical tests here together, one in two
hundred choices of seeds would fail although nothing is wrong.
"""

import copy
import doctest
import math
import random
import tracemalloc
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from swarm_ext import arrivals
from swarm_ext.arrivals import ArrivalProcess, Constant, Normal, Poisson, schedule_hash, stream_rng

N = 20_000
LEVEL = 1e-4
PROCESSES: tuple[ArrivalProcess, ...] = (
    Poisson(20),
    Poisson(1e-6),
    Poisson(1e6),
    *(Normal(0.2, 0.2 * ratio) for ratio in (0.01, 0.3, 0.7, 0.95, 0.999, 0.99999, 1)),
    Normal(1e6, 5e5),
    Normal(1e-6, 5e-7),
)
properties = settings(derandomize=True, database=None, deadline=None, max_examples=200)


class Erlang2(ArrivalProcess):
    """The law of one's own in the documentation: the sum of two exponential stages."""

    def __init__(self, stage: float) -> None:
        self.stage = stage

    def __repr__(self) -> str:
        return f"Erlang2(stage={self.stage!r} s)"

    @property
    def mean(self) -> float:
        return 2 * self.stage

    @property
    def std(self) -> float:
        return math.sqrt(2) * self.stage

    def hazard(self, gap: float) -> float:
        x = max(0.0, gap) / self.stage
        return x - math.log1p(x)

    def residual_hazard(self, gap: float) -> float:
        x = max(0.0, gap) / self.stage
        return x - math.log1p(x / 2)


def sample(process: ArrivalProcess, *, seed: int = 1) -> list[float]:
    """N gaps, without the first one."""
    return list(islice(process.gaps(stream_rng(seed, 0)), 1, N + 1))


@pytest.mark.parametrize("process", [*PROCESSES, Erlang2(0.1)], ids=repr)
def test_hazards_are_the_logarithms_of_the_survival_functions(process: ArrivalProcess) -> None:
    for gap in np.linspace(0, process.mean + 4 * process.std, 50):
        assert process.hazard(gap) == pytest.approx(-math.log1p(-process.cdf(gap)), rel=1e-8, abs=1e-12)
        assert process.residual_hazard(gap) == pytest.approx(
            -math.log1p(-process.residual_cdf(gap)), rel=1e-8, abs=1e-12
        )


@pytest.mark.parametrize("process", [*PROCESSES, Constant(5), Normal(0.2, 0), Erlang2(0.1)], ids=repr)
def test_nothing_happens_before_zero_and_everything_before_infinity(process: ArrivalProcess) -> None:
    for hazard, cdf in ((process.hazard, process.cdf), (process.residual_hazard, process.residual_cdf)):
        assert hazard(-1.0) == hazard(0.0) == cdf(0.0) == 0
    if not isinstance(process, Erlang2):
        assert process.hazard(math.inf) == process.residual_hazard(math.inf) == math.inf
        assert process.hazard(1e300 * process.mean) > 1e100
    assert process.rate == pytest.approx(1 / process.mean)


@pytest.mark.parametrize("process", [*PROCESSES, Erlang2(0.1)], ids=repr)
def test_gaps_follow_the_law_that_the_process_names(process: ArrivalProcess) -> None:
    gaps = sample(process)
    assert stats.kstest(gaps, np.vectorize(process.cdf)).pvalue > LEVEL
    # A gap's kurtosis is at most the exponential law's 9, so that s is known to within a standard error of σ√(2/n).
    assert abs(np.mean(gaps) - process.mean) < 4 * process.std / math.sqrt(N)
    assert abs(np.std(gaps) - process.std) < 4 * process.std * math.sqrt(2 / N)
    assert process.draw(stream_rng(9, 9)) == process.draw(stream_rng(9, 9)) >= 0


@pytest.mark.parametrize("process", [*PROCESSES, Constant(5), Normal(0.2, 0), Erlang2(0.1)], ids=repr)
def test_the_first_gap_of_a_stream_follows_the_residual_law(process: ArrivalProcess) -> None:
    firsts = [next(process.gaps(stream_rng(2, stream))) for stream in range(2000)]
    assert stats.kstest(firsts, np.vectorize(process.residual_cdf)).pvalue > LEVEL
    mean_wait = (process.std**2 + process.mean**2) / (2 * process.mean)
    assert abs(np.mean(firsts) - mean_wait) < 4 * process.mean / math.sqrt(2000)


def test_streams_that_begin_together_offer_their_rate_from_the_first_instant() -> None:
    streams, process = 3000, Normal(1.0, 0.1)
    arrivals_by_tenth = [0] * 20
    for stream in range(streams):
        instant = 0.0
        for gap in process.gaps(stream_rng(3, stream)):
            instant += gap
            if instant >= 2:
                break
            arrivals_by_tenth[int(instant * 10)] += 1
    # Each tenth has a binomial count of 3000 trials at 0.1, up to the few streams that have two arrivals in it.
    assert all(abs(count - 300) < 4.5 * math.sqrt(270) for count in arrivals_by_tenth)


@pytest.mark.parametrize("process", [*PROCESSES, Constant(5)], ids=repr)
def test_gaps_take_constant_memory(process: ArrivalProcess) -> None:
    gaps = process.gaps(stream_rng(1, 0))
    for _ in islice(gaps, 100):
        pass
    tracemalloc.start()
    try:
        for _ in islice(gaps, 10_000):
            pass
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert grown < 5_000


def test_a_sigma_of_zero_makes_every_gap_mu() -> None:
    for process in (Normal(0.2, 0), Normal(1e6, 1e-12)):
        assert set(islice(process.gaps(random.Random(1)), 1, 100)) == {process.mean}
        assert not process.has_density
        assert process.hazard(0.99 * process.mean) == 0
        assert process.hazard(1.01 * process.mean) == math.inf
    assert Normal(0.2, 0.1).has_density


def test_a_sigma_of_mu_makes_gaps_exponential_and_its_neighbours_nearly_so() -> None:
    poisson, limit, neighbour = Poisson(5), Normal(0.2, 0.2), Normal(0.2, math.nextafter(0.2, 0))
    for gap in (1e-6, 0.1, 0.5, 3.0):
        assert limit.hazard(gap) == pytest.approx(poisson.hazard(gap), rel=1e-15)
        assert neighbour.hazard(gap) == pytest.approx(poisson.hazard(gap), rel=1e-12)
        assert neighbour.residual_hazard(gap) == pytest.approx(poisson.hazard(gap), rel=1e-12)


@pytest.mark.parametrize(
    "rate", [0, -1, math.nan, math.inf, -math.inf, 1e-320, 10**400, True, "20", None, 2j]
)
@pytest.mark.parametrize("process", [Poisson, Constant])
def test_a_rate_that_is_no_rate_is_refused_by_name(process: type, rate: object) -> None:
    with pytest.raises(
        ValueError, match=r"^rate is .*must be a finite number above 0: give the arrivals per second"
    ) as told:
        process(rate)
    assert repr(rate) in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("mu", "sigma", "told"),
    [
        (0, 0.1, r"^mu is 0; it must be a finite number above 0: give the mean gap in seconds"),
        ("0.2", 0.1, r"^mu is '0.2'; it must be a finite number above 0"),
        (math.nan, 0.1, r"^mu is nan; "),
        (0.2, -0.1, r"^sigma is -0.1; it must be a finite number, 0 or above: give the standard deviation"),
        (0.2, math.inf, r"^sigma is inf; "),
        (0.2, True, r"^sigma is True; "),
        (2, 3, r"^sigma is 3 s, above mu, 2 s; gaps cannot be negative.*give a sigma from 0 to mu"),
    ],
)
def test_a_mean_and_deviation_that_cannot_be_are_refused_by_name(mu: float, sigma: float, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Normal(mu, sigma)


def test_a_process_is_a_value() -> None:
    assert Poisson(20) == Poisson(20.0)
    assert len({Poisson(20), Poisson(20.0), Constant(20), Normal(0.05, 0.05)}) == 3
    assert repr(Poisson(20)) == "Poisson(rate=20.0 /s)"
    assert repr(Normal(0.2, 0.1)) == "Normal(mu=0.2 s, sigma=0.1 s)"
    assert copy.deepcopy(Normal(0.2, 0.1)) == Normal(0.2, 0.1)
    with pytest.raises(AttributeError):
        Poisson(20).rate = 3  # type: ignore[misc]
    kinds = [process.kind for process in (Poisson(1), Normal(1, 0), Constant(1), Erlang2(1))]
    assert kinds == ["poisson", "normal", "constant", "custom"]


def test_streams_of_a_run_never_run_in_lockstep_and_are_uncorrelated() -> None:
    streams, gaps = 60, 1000
    drawn = np.array(
        [list(islice(Poisson(1).gaps(stream_rng(7, stream)), gaps)) for stream in range(streams)]
    )
    instants = drawn.cumsum(axis=1)
    assert len(np.unique(instants)) == streams * gaps
    correlations = np.corrcoef(np.exp(-drawn))[np.triu_indices(streams, 1)]
    # 1,770 pairs at 5 standard errors: one false alarm in a thousand choices of the seed.
    assert np.abs(correlations).max() < 5 / math.sqrt(gaps)


def test_a_stream_is_told_by_its_seed_and_number_alone() -> None:
    def begin(seed: int, stream: int) -> list[float]:
        return list(islice(Poisson(20).gaps(stream_rng(seed, stream)), 5))

    assert begin(1, 2) == begin(1, 2)
    assert len({tuple(begin(seed, stream)) for seed in (0, 1, 12, -1) for stream in (0, 1, 2, 21)}) == 16


def test_the_schedule_hash_tells_apart_whatever_changes_the_schedule() -> None:
    hashes = [
        schedule_hash(process, seed)
        for process in (Poisson(20), Poisson(20.000001), Constant(20), Normal(0.05, 0.05), Normal(0.05, 0.01))
        for seed in (1, 2)
    ]
    assert len(set(hashes)) == len(hashes)
    assert schedule_hash(Poisson(20), 1) == hashes[0]
    assert schedule_hash(Poisson(20), 1) == "5c16983a04847878ec2ded274ca6904d0a4e982a5e0cf0e66e27940fea9b73fb"


def test_the_examples_in_the_documentation_run() -> None:
    assert doctest.testmod(arrivals).attempted == 5
    assert doctest.testmod(arrivals).failed == 0


@properties
@given(
    mu=st.floats(min_value=1e-9, max_value=1e9),
    ratio=st.floats(min_value=0, max_value=1),
    seed=st.integers(0, 2**64),
)
def test_every_normal_process_that_may_exist_yields_gaps_that_may_exist(
    mu: float, ratio: float, seed: int
) -> None:
    process = Normal(mu, min(mu, mu * ratio))
    for gap in islice(process.gaps(stream_rng(seed, 0)), 20):
        assert 0 <= gap < math.inf
        assert 0 <= process.hazard(gap) < 60 or not process.has_density
