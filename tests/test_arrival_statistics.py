"""The tests of arrivals reject what is wrong, and hardly ever what is right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import stats

from tests.arrival_statistics import (
    FALSE_ALARM,
    counts,
    dispersed_as_poisson,
    dispersion,
    fits,
    fits_poisson,
    fits_within,
    gaps,
    right_count,
    same_law,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

RATE = 1000.0
REPEATS = 1000
EXPONENTIAL_5000 = stats.expon(scale=1 / 5000)


def poisson_instants(rate: float, seconds: float, seed: int = 1) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    return np.sort(rng.uniform(0, seconds, rng.poisson(rate * seconds)))


def share_rejected(p_value: Callable[[int], float], level: float) -> float:
    return float(np.mean([p_value(seed) < level for seed in range(REPEATS)]))


def test_sums_of_gaps_use_each_gap_once() -> None:
    assert gaps([0, 1, 3, 6, 10, 15, 21], every=2).tolist() == [3, 7, 11]


def test_windows_that_are_not_whole_are_left_out() -> None:
    assert counts([0.5, 1.2, 1.7, 3.2, 3.6], 1, 0.5, 3.8).tolist() == [2, 1, 1]


def test_the_index_of_dispersion_is_the_variance_in_units_of_the_mean() -> None:
    assert dispersion(np.array([2, 4, 6]), 4) == pytest.approx(8 / 3 / 4)


@pytest.mark.parametrize("every", [1, 25])
def test_a_poisson_process_is_accepted(every: int) -> None:
    assert fits_poisson(poisson_instants(RATE, 10), RATE, every=every) > FALSE_ALARM


@pytest.mark.parametrize("every", [1, 5])
def test_a_millisecond_grid_is_rejected(every: int) -> None:
    on_grid = np.ceil(poisson_instants(RATE, 10) * 1000) / 1000
    assert fits_poisson(on_grid, RATE, every=every) < FALSE_ALARM / 1000


def test_sums_of_gaps_and_a_tolerance_do_not_mind_arrivals_that_leave_one_after_the_other() -> None:
    exact = poisson_instants(5000, 20)
    work = 35e-6 * np.arange(len(exact))
    queued = np.maximum.accumulate(exact - work) + work
    assert fits_poisson(queued, 5000) < FALSE_ALARM
    assert fits_poisson(queued, 5000, every=25) > FALSE_ALARM
    assert fits_within(gaps(queued), EXPONENTIAL_5000.cdf, 100e-6) > FALSE_ALARM


def test_a_tolerance_of_nothing_is_the_plain_test() -> None:
    durations = gaps(poisson_instants(5000, 0.1))
    plain = fits(durations, EXPONENTIAL_5000.cdf)
    assert fits_within(durations, EXPONENTIAL_5000.cdf, 0) == pytest.approx(plain)


@pytest.mark.parametrize("rate", [100, 1000, 5000])
def test_a_millisecond_grid_is_beyond_a_tolerance_of_a_tenth_of_it(rate: float) -> None:
    on_grid = np.ceil(poisson_instants(rate, 40) * 1000) / 1000
    assert fits_within(gaps(on_grid), stats.expon(scale=1 / rate).cdf, 100e-6) < FALSE_ALARM


def test_a_rate_that_is_wrong_by_three_per_cent_is_rejected() -> None:
    arrivals = poisson_instants(1.03 * RATE, 40)
    assert right_count(len(arrivals), 40 * RATE) < FALSE_ALARM
    assert fits_poisson(arrivals, RATE) < FALSE_ALARM


@pytest.mark.parametrize(("count", "expected"), [(70, 100.0), (135, 100.0), (0, 8.0)])
def test_a_count_that_is_far_off_is_rejected(count: int, expected: float) -> None:
    assert right_count(count, expected) < 2 * FALSE_ALARM


def test_a_count_as_expected_is_accepted() -> None:
    assert right_count(100, 100.0) > 0.9


@pytest.mark.parametrize(("mean", "windows"), [(1.0, 400), (10.0, 40), (100.0, 4), (5000.0, 1)])
def test_the_dispersion_test_raises_the_alarm_as_often_as_it_says(mean: float, windows: int) -> None:
    rng = np.random.default_rng(5)
    draws = [rng.poisson(mean, windows) for _ in range(REPEATS)]
    level = 0.04
    rejected = np.mean([dispersed_as_poisson(drawn, mean) < level for drawn in draws])
    assert level / 2 < rejected < level * 2


@pytest.mark.parametrize("window", [0.1, 1.0])
def test_arrivals_that_are_too_regular_or_in_bursts_are_rejected(window: float) -> None:
    exact, expected = poisson_instants(RATE, 20), RATE * window
    regular = np.arange(20 * RATE) / RATE + 1e-5
    bursts = np.repeat(poisson_instants(RATE / 10, 20), 10)
    for instants in (regular, bursts):
        assert dispersed_as_poisson(counts(instants, window, 0, 20), expected) < FALSE_ALARM
    assert dispersed_as_poisson(counts(exact, window, 0, 20), expected) > FALSE_ALARM


def test_the_tests_of_gaps_raise_the_alarm_as_often_as_they_say() -> None:
    def one_sample(seed: int) -> float:
        return fits(np.random.default_rng(seed).exponential(1, 200), stats.expon.cdf)

    def two_samples(seed: int) -> float:
        drawn = np.random.default_rng(seed).exponential(1, 400)
        return same_law(drawn[:150], drawn[150:])

    for p_value in (one_sample, two_samples):
        assert share_rejected(p_value, 0.04) < 0.06


def test_two_laws_are_told_apart() -> None:
    rng = np.random.default_rng(3)
    assert same_law(rng.exponential(1, 3000), rng.exponential(1.2, 3000)) < FALSE_ALARM
