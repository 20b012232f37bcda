"""The arrival check: it accepts what was asked for, and nothing else.

Decisions are made at a level of 1e-3 and at 4 standard deviations, at fixed seeds; the calibration of both tests is tested too.
"""

import heapq
import itertools
import math
import random
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from swarm_ext.arrivals import ArrivalProcess, Constant, Normal, Poisson, stream_rng
from swarm_ext.arrivals.check import ArrivalChecker, kolmogorov_smirnov, kolmogorov_tail, merge, rate_test
from swarm_ext.model import ArrivalCheck

LEVEL = 1e-3
PROCESSES = [Poisson(10), Normal(0.1, 0.01), Normal(0.1, 0.05), Normal(0.1, 0.0999)]

Gaps = Callable[[int], Iterator[float]]
"""The measured gaps of a stream, given its number."""


def gaps_of(process: ArrivalProcess, *, seed: int = 1) -> Gaps:
    return lambda stream: process.gaps(stream_rng(seed, stream))


def observe(checker: ArrivalChecker, measured: Gaps, streams: Iterable[int], seconds: float) -> ArrivalCheck:
    """Tell a checker of streams that all live at once for `seconds`, in the order in which things happen."""
    watched = {stream: checker.stream() for stream in streams}
    gaps = {stream: measured(stream) for stream in watched}
    last = dict.fromkeys(watched, 0.0)
    due = [(next(gaps[stream]), stream) for stream in watched]
    heapq.heapify(due)
    while due[0][0] <= seconds:
        instant, stream = due[0]
        watched[stream].arrival(instant - last[stream])
        last[stream] = instant
        heapq.heapreplace(due, (instant + next(gaps[stream]), stream))
    for stream, watch in watched.items():
        watch.end(seconds - last[stream])
    return checker.snapshot()


def p_value(check: ArrivalCheck) -> float:
    result = kolmogorov_smirnov(check)
    assert result is not None
    return result.p_value


def score(check: ArrivalCheck) -> float:
    result = rate_test(check)
    assert result is not None
    return result


@pytest.mark.parametrize("asked", PROCESSES, ids=repr)
@pytest.mark.parametrize(("streams", "seconds"), [(1, 500.0), (20, 25.0), (1500, 0.3)])
def test_arrivals_as_asked_are_accepted(asked: ArrivalProcess, streams: int, seconds: float) -> None:
    check = observe(ArrivalChecker(asked), gaps_of(asked), range(streams), seconds)
    assert p_value(check) > LEVEL
    assert abs(score(check)) < 4
    assert sum(check.uniforms or ()) == check.observed


@pytest.mark.parametrize("asked", PROCESSES, ids=repr)
def test_a_tenth_too_few_arrivals_are_rejected_by_the_rate(asked: ArrivalProcess) -> None:
    slow = Poisson(9) if isinstance(asked, Poisson) else Normal(asked.mean / 0.9, asked.std / 0.9)
    assert score(observe(ArrivalChecker(asked), gaps_of(slow), range(5), 100.0)) < -4


@pytest.mark.parametrize(
    ("asked", "measured"),
    [
        (Normal(0.1, 0.05), Normal(0.1, 0.06)),
        (Normal(0.1, 0.05), Normal(0.1, 0.042)),
        (Normal(0.1, 0.05), Poisson(10)),
        (Poisson(10), Normal(0.1, 0.08)),
        (Poisson(10), Constant(10)),
    ],
    ids=repr,
)
def test_another_law_of_the_same_rate_is_rejected_by_its_gaps(
    asked: ArrivalProcess, measured: ArrivalProcess
) -> None:
    assert p_value(observe(ArrivalChecker(asked), gaps_of(measured), range(5), 60.0)) < LEVEL


def test_waiting_for_the_response_is_rejected_by_rate_and_gaps() -> None:
    def closed_loop(stream: int) -> Iterator[float]:
        return (0.1 + gap for gap in Poisson(10).gaps(stream_rng(1, stream)))

    check = observe(ArrivalChecker(Poisson(10)), closed_loop, [0], 40.0)
    assert check.observed < 230
    assert score(check) < -4
    assert p_value(check) < LEVEL


def test_folding_negative_normal_gaps_is_rejected() -> None:
    def folded(stream: int) -> Iterator[float]:
        rng = random.Random(stream)
        while True:
            yield abs(rng.gauss(0.1, 0.1))

    assert score(observe(ArrivalChecker(Normal(0.1, 0.1)), folded, range(10), 40.0)) < -4


def test_streams_in_lockstep_are_rejected() -> None:
    def same(stream: int) -> Iterator[float]:
        return Poisson(10).gaps(stream_rng(1, 0))

    assert p_value(observe(ArrivalChecker(Poisson(10)), same, range(50), 10.0)) < LEVEL


def test_streams_that_fire_together_at_their_start_are_rejected() -> None:
    def no_residual(stream: int) -> Iterator[float]:
        return itertools.islice(Normal(0.1, 0.01).gaps(stream_rng(1, stream)), 1, None)

    assert p_value(observe(ArrivalChecker(Normal(0.1, 0.01)), no_residual, range(200), 0.5)) < LEVEL


def test_short_streams_are_not_rejected_for_their_censored_ends() -> None:
    asked, rejected, rejected_naively = Poisson(3), 0, 0
    for seed in range(100):
        hazards: list[float] = []

        def overheard(stream: int, seed: int = seed, hazards: list[float] = hazards) -> Iterator[float]:
            remaining = 1.0
            for gap in asked.gaps(stream_rng(seed, stream)):
                remaining -= gap
                if remaining >= 0:
                    hazards.append(asked.hazard(gap))
                yield gap

        check = observe(ArrivalChecker(asked), overheard, range(50), 1.0)
        rejected += p_value(check) < 0.05
        rejected_naively += stats.kstest(hazards, "expon").pvalue < 0.05
    assert rejected_naively > 85
    assert rejected <= 12  # of a binomial of 100 trials at 0.05: one false alarm in 900


@pytest.mark.parametrize("asked", [Poisson(10), Normal(0.1, 0.05)], ids=repr)
def test_both_tests_raise_false_alarms_as_often_as_they_say(asked: ArrivalProcess) -> None:
    checks = [observe(ArrivalChecker(asked), gaps_of(asked, seed=seed), range(4), 5.0) for seed in range(300)]
    alarms = sum(p_value(check) < 0.1 for check in checks)
    assert 13 <= alarms <= 47  # a binomial of 300 trials at 0.1, to within 3.3 standard deviations
    scores = [score(check) for check in checks]
    assert abs(np.mean(scores)) < 4 / math.sqrt(300)
    assert 0.84 < np.std(scores) < 1.16  # 1, to within 4 standard errors of 1/√600


def test_a_stream_is_laid_behind_the_one_that_ended_before() -> None:
    checker = ArrivalChecker(Poisson(1))
    first, second, third = checker.stream(), checker.stream(), checker.stream()
    second.arrival(0.5)
    first.arrival(0.1)
    second.arrival(0.7)
    first.end(2.0)
    third.end(0.25)
    second.end(0.3)
    check = checker.snapshot()
    expected = [0] * 1000
    for hazard in (0.1, 0.7, 2.0 + 0.25 + 0.5):
        expected[int(-math.expm1(-hazard) * 1000)] += 1
    assert check == ArrivalCheck(observed=3, expected=pytest.approx(3.85), uniforms=tuple(expected))


def test_a_living_stream_already_counts() -> None:
    checker = ArrivalChecker(Poisson(2))
    stream = checker.stream()
    stream.arrival(0.5)
    stream.arrival(1.0)
    check = checker.snapshot()
    assert (check.observed, check.expected, sum(check.uniforms or ())) == (2, 3.0, 1)


def test_an_end_told_twice_is_one_end() -> None:
    checker = ArrivalChecker(Poisson(2))
    stream = checker.stream()
    stream.arrival(0.5)
    stream.end(1.0)
    once = checker.snapshot()
    stream.end(1.0)
    assert checker.snapshot() == once


@pytest.mark.parametrize("process", [Constant(10), Normal(0.1, 0), None], ids=repr)
def test_what_has_no_density_is_counted_and_not_judged(process: ArrivalProcess | None) -> None:
    checker = ArrivalChecker(process)
    stream = checker.stream()
    stream.arrival(0.1)
    stream.arrival(0.1)
    stream.end(0.05)
    check = checker.snapshot()
    assert check == ArrivalCheck(observed=2, expected=None, uniforms=None)
    assert kolmogorov_smirnov(check) is None
    assert rate_test(check) is None


def test_a_check_without_arrivals_judges_what_it_can() -> None:
    assert kolmogorov_smirnov(ArrivalChecker(Poisson(10)).snapshot()) is None
    assert rate_test(ArrivalChecker(Poisson(10)).snapshot()) is None
    checker = ArrivalChecker(Poisson(10))
    checker.stream().end(10.0)
    assert score(checker.snapshot()) == -10.0


def test_merging_the_checks_of_several_processes_equals_one_process_that_saw_it_all() -> None:
    asked, pooled, parts = Normal(0.1, 0.05), ArrivalChecker(Normal(0.1, 0.05)), []
    for worker in range(3):
        part = ArrivalChecker(asked)
        for checker in (part, pooled):
            stream = checker.stream()
            for gap in itertools.islice(asked.gaps(stream_rng(1, worker)), 1000):
                stream.arrival(gap)
            stream.end(0.0)
        parts.append(part.snapshot())
    merged, whole = merge(parts), pooled.snapshot()
    assert merged.expected == pytest.approx(whole.expected)
    assert (merged.observed, merged.uniforms) == (whole.observed, whole.uniforms)
    assert p_value(merged) > LEVEL


def test_checks_of_different_asked_processes_merge_into_one_that_is_accepted() -> None:
    checks = [
        observe(ArrivalChecker(asked), gaps_of(asked, seed=seed), range(10), 20.0)
        for seed, asked in enumerate(PROCESSES)
    ]
    merged = merge(checks)
    assert merged.observed == sum(check.observed for check in checks)
    assert p_value(merged) > LEVEL
    assert abs(score(merged)) < 4


def test_a_merge_with_what_cannot_be_judged_cannot_be_judged() -> None:
    judged = ArrivalCheck(observed=3, expected=2.5, uniforms=(1, 2))
    assert merge([judged, ArrivalCheck(observed=4, expected=None, uniforms=None)]) == ArrivalCheck(
        observed=7, expected=None, uniforms=None
    )
    assert merge([]) == ArrivalCheck(observed=0, expected=None, uniforms=None)
    with pytest.raises(ValueError, match=r"have 2 and 3 bins; .* run the same version"):
        merge([judged, ArrivalCheck(observed=3, expected=2.5, uniforms=(1, 2, 0))])


def test_the_limit_law_is_kolmogorovs() -> None:
    for x in (0.0, 0.05, 0.1, 0.2, 0.5, 0.99, 1.0, 1.36, 2.0, 5.0):
        assert kolmogorov_tail(x) == pytest.approx(special.kolmogorov(x), rel=1e-12)


@settings(derandomize=True, database=None, deadline=None, max_examples=50)
@given(n=st.integers(5, 2000), seed=st.integers(0, 1000), power=st.sampled_from([0.8, 1.0, 1.3]))
def test_the_binned_test_agrees_with_the_one_on_every_gap(n: int, seed: int, power: float) -> None:
    uniforms = np.random.default_rng(seed).random(n) ** power
    counts = np.histogram(uniforms, bins=1000, range=(0, 1))[0]
    check = ArrivalCheck(observed=n, expected=float(n), uniforms=tuple(int(count) for count in counts))
    binned, exact = kolmogorov_smirnov(check), stats.kstest(uniforms, "uniform")
    assert binned is not None
    assert binned.n == n
    # Between two edges the distance can be larger by what one bin holds.
    assert binned.statistic <= exact.statistic + 1e-12
    assert binned.statistic >= exact.statistic - 0.001 - counts.max() / n
    assert binned.p_value == pytest.approx(
        special.kolmogorov((math.sqrt(n) + 0.12 + 0.11 / math.sqrt(n)) * binned.statistic), rel=1e-9
    )


def test_an_absurdly_late_arrival_is_counted_not_fatal() -> None:
    checker = ArrivalChecker(Normal(1.0, 1e-9))
    stream = checker.stream()
    stream.arrival(0.5)
    stream.arrival(1e9)
    stream.end(0.0)
    check = checker.snapshot()
    assert check.uniforms is not None
    assert check.uniforms[-1] == 1
    assert score(check) < -1e6
