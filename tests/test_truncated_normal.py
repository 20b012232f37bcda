"""The truncated normal law against numbers that were computed in another way: numerical integration, and SciPy's tails."""

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from swarm_ext.arrivals import Normal
from swarm_ext.arrivals.truncated_normal import TruncatedNormal

RATIOS = (
    0.01,
    0.05,
    0.1,
    0.2,
    0.3,
    0.5,
    0.7,
    0.7555,
    0.8,
    0.9,
    0.94,
    0.95,
    0.99,
    0.998,
    0.9985,
    0.999,
    0.99999,
)
properties = settings(derandomize=True, database=None, deadline=None, max_examples=200)
ratios = st.floats(min_value=1e-3, max_value=1, exclude_max=True)


def integral(f: Callable[[np.ndarray], np.ndarray], low: float, high: float) -> float:
    """Integrate by the Gauss-Legendre rule with 20 nodes on each of 200 panels."""
    nodes, weights = np.polynomial.legendre.leggauss(20)
    edges = np.linspace(low, high, 201)
    half = np.diff(edges)[:, None] / 2
    return float((f(edges[:-1, None] + half * (1 + nodes)) * half * weights).sum())


def parent_density(law: TruncatedNormal) -> Callable[[np.ndarray], np.ndarray]:
    """The density of the cut normal, up to a factor that keeps it from underflowing."""
    peak = max(law.cut, 0.0)
    return lambda x: np.exp((peak - law.cut - x / law.parent_std) * (law.cut + x / law.parent_std + peak) / 2)


@pytest.mark.parametrize("ratio", RATIOS)
def test_a_normal_gap_has_exactly_the_mean_and_standard_deviation_asked_for(ratio: float) -> None:
    mu, sigma = 0.2, 0.2 * ratio
    density = parent_density(TruncatedNormal(mu, sigma))
    low, high = max(0.0, mu - 40 * sigma), mu + 60 * sigma
    mass = integral(density, low, high)
    mean = integral(lambda x: x * density(x), low, high) / mass
    variance = integral(lambda x: (x - mean) ** 2 * density(x), low, high) / mass
    assert mean == pytest.approx(mu, rel=1e-11)
    assert math.sqrt(variance) == pytest.approx(sigma, rel=1e-11)
    assert (Normal(mu, sigma).mean, Normal(mu, sigma).std) == (mu, sigma)


@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("deviations", [-3, -1, -0.2, 0, 0.5, 2, 6])
def test_the_distribution_functions_of_a_normal_gap_are_the_integrals_of_its_density(
    ratio: float, deviations: float
) -> None:
    mu, sigma = 0.2, 0.2 * ratio
    process, density = Normal(mu, sigma), parent_density(TruncatedNormal(mu, sigma))
    low, high = max(0.0, mu - 40 * sigma), mu + 60 * sigma
    mass = integral(density, low, high)
    gap = mu + deviations * sigma
    if gap <= 0:
        assert process.cdf(gap) == process.residual_cdf(gap) == 0
        return
    below = integral(density, low, gap) / mass
    shorter = integral(lambda x: x * density(x), low, gap) / mass
    assert process.cdf(gap) == pytest.approx(below, rel=1e-10, abs=1e-13)
    assert process.residual_cdf(gap) == pytest.approx(
        (gap * (1 - below) + shorter) / mu, rel=1e-10, abs=1e-13
    )


@pytest.mark.parametrize("ratio", [0.1, 0.5, 0.9, 0.99, 0.998])
@pytest.mark.parametrize("deviations", [1, 5, 30, 1000])
def test_hazards_stay_exact_far_beyond_where_a_distribution_function_is_one(
    ratio: float, deviations: float
) -> None:
    law = TruncatedNormal(0.2, 0.2 * ratio)
    gap = 0.2 + deviations * 0.2 * ratio
    z = law.cut + gap / law.parent_std
    assert law.hazard(gap) == pytest.approx(special.log_ndtr(-law.cut) - special.log_ndtr(-z), rel=1e-10)
    if deviations <= 30:
        excess = math.sqrt(2 / math.pi) / special.erfcx(z / math.sqrt(2)) - z
        wait = law.hazard(gap) + math.log(0.2 / law.parent_std / excess)
        assert law.residual_hazard(gap) == pytest.approx(wait, rel=1e-9)


@properties
@given(ratio=ratios, scale=st.sampled_from([1e-6, 1e-3, 1.0, 1e6]), position=st.floats(0, 10))
def test_a_normal_law_depends_on_its_unit_only_by_scale(ratio: float, scale: float, position: float) -> None:
    unit, scaled = Normal(1, ratio), Normal(scale, ratio * scale)
    assert scaled.cdf(position * scale) == pytest.approx(unit.cdf(position), rel=1e-6, abs=1e-9)
    assert scaled.residual_cdf(position * scale) == pytest.approx(
        unit.residual_cdf(position), rel=1e-6, abs=1e-9
    )


@properties
@given(ratio=ratios, positions=st.lists(st.floats(0, 50), min_size=2, max_size=20))
def test_hazards_grow_and_the_residual_one_is_never_the_smaller(ratio: float, positions: list[float]) -> None:
    process = Normal(1, ratio)
    for shorter, longer in pairwise(sorted(positions)):
        assert process.hazard(shorter) <= process.hazard(longer) + 1e-12
        assert process.residual_hazard(shorter) <= process.residual_hazard(longer) * (1 + 1e-12) + 1e-12
        assert process.residual_hazard(longer) >= process.hazard(longer)
