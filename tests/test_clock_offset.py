from __future__ import annotations

import random

import pytest

from swarm_ext.sampling.clock_offset import POLLS_REMEMBERED, ClockOffset


def simulate(
    offset: float, *, polls: int, phase: float, jitter: float, latency: float, seed: int = 1
) -> ClockOffset:
    """A poll a second of a node that measures about once a second and publishes `latency` later."""
    chance = random.Random(seed)
    estimate = ClockOffset()
    made = phase
    published: list[tuple[float, float]] = []
    before: float | None = None
    seen = -1.0
    for poll in range(polls):
        asked, received = 10.0 + poll, 10.0 + poll + 0.01
        while made < received:
            published.append((made + latency, made))
            made += 1.0 + chance.random() * jitter
        there = [stamp for ready, stamp in published if ready <= asked]
        new = [stamp for stamp in there if stamp > seen]
        if there:
            estimate.observe(
                newest=max(there) + offset,
                received=received,
                oldest_new=min(new) + offset if new and seen >= 0 else None,
                asked_before=before,
            )
            seen = max(there)
        before = asked
    return estimate


def test_before_the_first_poll_nothing_is_known() -> None:
    assert ClockOffset().seconds is None


def test_one_poll_alone_gives_a_lower_bound() -> None:
    estimate = ClockOffset()
    estimate.observe(newest=103.2, received=100.0, oldest_new=None, asked_before=None)
    assert estimate.seconds == pytest.approx(3.2)


@pytest.mark.parametrize("offset", [-3600.0, -0.5, 0.0, 0.5, 3600.0])
def test_with_jitter_the_estimate_is_good_to_a_tenth_of_a_second(offset: float) -> None:
    estimate = simulate(offset, polls=60, phase=0.0, jitter=1.0, latency=0.0)
    assert estimate.seconds == pytest.approx(offset, abs=0.1)


@pytest.mark.parametrize("phase", [0.01, 0.3, 0.6, 0.99])
def test_in_lockstep_with_the_polls_it_is_good_to_half_a_second(phase: float) -> None:
    estimate = simulate(2.0, polls=60, phase=phase, jitter=0.0, latency=0.0)
    assert estimate.seconds == pytest.approx(2.0, abs=0.51)


def test_late_publication_makes_it_err_low_by_at_most_that() -> None:
    estimate = simulate(2.0, polls=60, phase=0.0, jitter=1.0, latency=0.4)
    assert 2.0 - 0.5 <= (estimate.seconds or 0) <= 2.0


def test_it_follows_a_clock_that_moved_when_the_old_polls_are_forgotten() -> None:
    estimate = ClockOffset()
    for offset in [5.0] * POLLS_REMEMBERED + [1.0] * POLLS_REMEMBERED:
        estimate.observe(newest=100.0 + offset, received=100.0, oldest_new=None, asked_before=None)
    assert estimate.seconds == pytest.approx(1.0)


def test_forgetting_starts_again() -> None:
    estimate = simulate(5.0, polls=10, phase=0.0, jitter=0.5, latency=0.0)
    estimate.forget()
    assert estimate.seconds is None


def test_where_the_bounds_contradict_each_other_the_lower_one_is_believed() -> None:
    estimate = ClockOffset()
    estimate.observe(newest=105.0, received=100.0, oldest_new=None, asked_before=None)
    estimate.observe(newest=105.9, received=101.0, oldest_new=104.0, asked_before=100.0)
    assert estimate.seconds == pytest.approx(5.0)
