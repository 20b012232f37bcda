"""Scaling in waits for what was recommended not long ago."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm_ext.scaling import Bounds, Recommendation
from swarm_ext.scaling.decision import Limits, decide
from swarm_ext.scaling.stabilization import Floor, Stabilization
from tests.scaling_services import derandomized


def test_the_floor_is_the_highest_of_the_window() -> None:
    stabilization = Stabilization(60, 5)
    stabilization.recommended(3, current=3, now=0)
    stabilization.recommended(7, current=3, now=30)
    wanted = [stabilization.recommended(2, current=7, now=now) for now in (35, 60, 85, 90, 95)]

    assert [floor.replicas if floor else None for floor in wanted] == [7, 7, 7, 2, 2]
    assert wanted[0] is not None
    assert wanted[0].why == "highest recommendation of the last 60 s is 7"


def test_a_start_counts_as_a_recommendation_of_what_was_found() -> None:
    floor = Stabilization(60, 5).recommended(1, current=4, now=1000)

    assert floor == Floor(4, "less than 60 s have passed since scaling began")


def test_after_half_a_window_of_silence_it_starts_anew() -> None:
    stabilization = Stabilization(60, 5)
    for now in range(0, 100, 5):
        stabilization.recommended(1, current=1, now=now)
    after_a_gap = stabilization.recommended(1, current=4, now=120)
    after_a_silence = stabilization.recommended(1, current=4, now=151)

    assert after_a_gap is not None
    assert after_a_gap.replicas == 1
    assert after_a_silence is not None
    assert after_a_silence.replicas == 4


@pytest.mark.parametrize("window", [0.0, 1.0, 5.0])
def test_a_window_shorter_than_the_interval_does_not_stop_scaling_in(window: float) -> None:
    stabilization = Stabilization(window, 5)
    stabilization.recommended(4, current=4, now=0)
    floor = stabilization.recommended(1, current=4, now=5)

    assert floor is None or floor.replicas == 1


@derandomized
@given(
    wishes=st.lists(st.integers(1, 20), min_size=1, max_size=60), window=st.sampled_from([15.0, 60.0, 300.0])
)
def test_scaling_in_never_comes_before_the_window_has_passed(wishes: list[int], window: float) -> None:
    stabilization = Stabilization(window, 5)
    current, high_at = 10, {10: 0.0}
    for turn, wish in enumerate(wishes):
        now = 5.0 * turn
        floor = stabilization.recommended(wish, current, now)
        limits = Limits(bounds=Bounds(1, 20), floor=floor)
        replicas = decide(Recommendation(replicas=wish, why="because"), current, limits).replicas
        high_at[wish] = now
        if replicas < current:
            assert all(now - at >= window for wished, at in high_at.items() if wished > replicas)
        current = replicas


def test_memory_holds_one_window_of_recommendations() -> None:
    stabilization = Stabilization(60, 5)
    for turn in range(1000):
        stabilization.recommended(turn % 7 + 1, current=3, now=5.0 * turn)

    assert len(stabilization._noted) <= 13
