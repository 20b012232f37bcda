"""The arrival check where rates vary in time: it accepts the profile that was asked for, and no other.

Decisions are made at a level of 1e-3 and at 4 standard deviations, at fixed seeds; how often each test alarms is tested too.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from swarm_ext.arrivals import Constant, Normal, Poisson, VaryingPoisson, parse_profile, stream_rng
from swarm_ext.arrivals.check import ArrivalChecker, kolmogorov_smirnov, rate_test

if TYPE_CHECKING:
    from swarm_ext.arrivals.process import PointProcess
    from swarm_ext.model import ArrivalCheck

LEVEL = 1e-3
TEXTS = ["5@20s,40@20s,0@5s,10@20s", "0..50@60s", "sine(20,18,15s)@60s"]


def observe(
    asked: str, measured: PointProcess, *, streams: int = 10, seed: int = 1, late: float = 0.0, seconds: float | None = None
) -> ArrivalCheck:  # fmt: skip
    """Check streams of which each begins by so much later than the one before, and which end together, `seconds` on."""
    process = VaryingPoisson(parse_profile(asked))
    checker = ArrivalChecker(process)
    end = process.ends_at if seconds is None else seconds
    for number in range(streams):
        begin = last = late * number
        watched = checker.stream(begin)
        for instant in measured.instants(stream_rng(seed, number), begin):
            if instant > end:
                break
            watched.arrival(instant - last)
            last = instant
        watched.end(end - last)
    return checker.snapshot()


def verdict(check: ArrivalCheck) -> tuple[bool, bool]:
    """Whether the number of arrivals and their gaps are accepted."""
    score, gaps = rate_test(check), kolmogorov_smirnov(check)
    assert score is not None
    assert gaps is not None
    return abs(score) < 4, gaps.p_value > LEVEL


def profile(text: str) -> PointProcess:
    return VaryingPoisson(parse_profile(text))


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("late", [0.0, 2.5])
def test_the_profile_that_was_asked_for_is_accepted(text: str, late: float) -> None:
    assert verdict(observe(text, profile(text), late=late)) == (True, True)


@pytest.mark.parametrize("text", TEXTS)
def test_a_run_that_is_ended_early_or_goes_on_after_its_profile_is_accepted(text: str) -> None:
    assert verdict(observe(text, profile(text), seconds=33.3)) == (True, True)
    assert verdict(observe(text, profile(text), seconds=500.0)) == (True, True)


@pytest.mark.parametrize(
    ("asked", "measured"),
    [
        ("5@20s,40@20s", "40@20s,5@20s"),
        ("0..50@60s", "25@60s"),
        ("0..50@60s", "50..0@60s"),
        ("sine(20,18,15s)@60s", "sine(20,18,14s)@60s"),
        ("sine(20,18,15s)@60s", "20@60s"),
        ("10@20s,20@20s", "15@40s"),
    ],
)
def test_another_profile_of_the_same_mean_is_rejected_by_its_gaps(asked: str, measured: str) -> None:
    assert verdict(observe(asked, profile(measured), streams=20))[1] is False


def test_a_profile_that_is_counted_from_each_users_own_beginning_is_rejected() -> None:
    class FromItsOwnBeginning(VaryingPoisson):
        def instants(self, rng, begin):  # type: ignore[no-untyped-def]
            return (begin + instant for instant in super().instants(rng, 0.0))

    text = "5@20s,40@20s"
    assert verdict(observe(text, FromItsOwnBeginning(parse_profile(text)), late=2.0)) == (False, False)


def test_a_tenth_too_few_is_rejected_by_the_number() -> None:
    assert verdict(observe("0..50@60s", profile("0..45@60s")))[0] is False


@pytest.mark.parametrize("measured", [Constant(20), Normal(0.05, 0.03)], ids=repr)
def test_regular_arrivals_of_the_right_rate_are_rejected(measured: PointProcess) -> None:
    assert verdict(observe("20@60s", measured))[1] is False
    assert verdict(observe("20@60s", Poisson(20))) == (True, True)


def test_both_tests_raise_false_alarms_as_often_as_they_say() -> None:
    text, trials = "2..20@10s,sine(10,10,4s)@10s", 300
    checks = [observe(text, profile(text), streams=3, seed=seed, late=1.3) for seed in range(trials)]
    alarms = sum(result.p_value < 0.1 for check in checks if (result := kolmogorov_smirnov(check)))
    scores = sum(abs(rate_test(check) or 0) > 1.645 for check in checks)
    # of a binomial of 300 trials at 0.1, these are 4 standard deviations
    assert 10 <= alarms <= 51
    assert 10 <= scores <= 51


def test_late_arrivals_of_a_right_schedule_are_still_accepted() -> None:
    """A generator that wakes up a millisecond late measures gaps that are hardly different."""
    process, rng = profile("20@60s"), random.Random(1)
    checker = ArrivalChecker(process)
    for number in range(10):
        watched, last = checker.stream(0.0), 0.0
        for instant in process.instants(stream_rng(1, number), 0.0):
            now = max(last, instant + rng.random() * 0.002)
            watched.arrival(now - last)
            last = now
        watched.end(60.0 - min(last, 60.0))
    assert verdict(checker.snapshot()) == (True, True)
