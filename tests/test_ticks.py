from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from swarm_ext.sampling.ticks import next_tick


def test_a_punctual_tick_is_followed_by_the_next_one() -> None:
    assert next_tick(100.0, 100.2, 1.0) == 101.0


def test_a_late_tick_does_not_shift_those_after_it() -> None:
    assert next_tick(100.0, 100.99, 1.0) == 101.0


def test_missed_ticks_are_skipped() -> None:
    assert next_tick(100.0, 103.5, 1.0) == 104.0


def test_a_tick_that_is_due_this_instant_is_over() -> None:
    assert next_tick(100.0, 102.0, 1.0) == 103.0


@given(st.floats(0, 1e6), st.floats(0, 1e4), st.floats(1e-3, 1e3))
def test_the_next_tick_lies_within_one_interval_after_now(
    previous: float, late_by: float, interval: float
) -> None:
    now = previous + late_by
    tick = next_tick(previous, now, interval)
    assert now < tick <= now + interval * 1.000001 + 1e-9
