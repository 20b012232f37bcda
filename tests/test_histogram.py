"""Histograms of durations: any quantile within 1 %, and adding two is as good as having recorded in one."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swarm_ext import histogram

DURATIONS = st.floats(min_value=2e-9, max_value=86_400)


def recorded(durations: list[float]) -> histogram.Histogram:
    result: histogram.Histogram = {}
    for duration in durations:
        number = histogram.bucket(duration)
        result[number] = result.get(number, 0) + 1
    return result


@settings(derandomize=True)
@given(DURATIONS)
def test_what_is_read_back_is_within_one_percent(duration: float) -> None:
    assert histogram.value(histogram.bucket(duration)) == pytest.approx(duration, rel=0.0101)


@settings(derandomize=True)
@given(st.lists(DURATIONS, min_size=1, max_size=60), st.floats(0, 1))
def test_a_quantile_is_within_one_percent_of_a_value_of_that_rank(durations: list[float], q: float) -> None:
    rank = max(1, -int(-q * len(durations) // 1))
    assert histogram.quantile(recorded(durations), q) == pytest.approx(
        sorted(durations)[rank - 1], rel=0.0101
    )


def test_merged_histograms_are_as_one_that_recorded_everything() -> None:
    rng = random.Random(1)
    durations = [rng.lognormvariate(-3, 2) for _ in range(500)]
    parts = [recorded(durations[start::3]) for start in range(3)]
    assert histogram.merge(parts) == recorded(durations)
    assert histogram.count(histogram.merge(parts)) == 500


def test_the_number_of_buckets_is_bounded() -> None:
    assert histogram.bucket(86_400) < 1_700


@pytest.mark.parametrize("tiny", [0.0, -1.0, 1e-12])
def test_no_duration_and_a_negative_one_are_the_lowest_bucket(tiny: float) -> None:
    assert histogram.bucket(tiny) == 0
    assert histogram.value(0) == 0.0


def test_nothing_recorded_has_no_quantile() -> None:
    assert histogram.quantile({}, 0.5) is None


def test_a_share_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        histogram.quantile({1: 1}, 1.5)


def test_durations_within_a_limit_are_counted() -> None:
    assert histogram.within(recorded([0.1, 0.2, 0.5, 0.9]), 0.5) == 3
