"""Each figure of the load, against values counted by hand."""

from typing import Any

import pandas as pd
import pytest

from reports import load_figures
from swarm_ext import histogram
from swarm_ext.model import Totals
from swarm_ext.slo import Slo

SLO = Slo(0.5, 0.9)


def times(*milliseconds: float) -> dict[int, int]:
    counted: dict[int, int] = {}
    for value in milliseconds:
        number = histogram.bucket(value / 1000)
        counted[number] = counted.get(number, 0) + 1
    return counted


def load(*seconds: dict[str, Any]) -> pd.DataFrame:
    usual = {
        "phase": "load", "offered": 0, "completed": 0, "failed": 0, "dropped": 0, "abandoned": 0, "in_flight": 0,
        "users": 1, "asked_rate": 10.0, "response_times": {}, "schedule_lags": {},
        "schedule_lag_max_seconds": float("nan"),
    }  # fmt: skip
    return pd.DataFrame([{**usual, "t": float(i), **second} for i, second in enumerate(seconds)])


def second(good: int = 0, slow: int = 0, **others: Any) -> dict[str, Any]:
    return {
        "completed": good + slow,
        "response_times": times(*[100.0] * good, *[900.0] * slow),
        **others,
    }


def test_the_counts_of_a_finished_run_are_its_own_totals() -> None:
    totals = Totals(offered=10, completed=5, failed=2, dropped=2, abandoned=1)
    counts = load_figures.accounting(totals, load(second(good=99)))
    assert (counts.offered, counts.completed, counts.unaccounted, counts.final) == (10, 5, 0, True)


def test_a_run_cut_off_is_counted_from_its_samples_and_what_was_in_flight_is_unaccounted_for() -> None:
    counts = load_figures.accounting(None, load({"offered": 7, "completed": 3, "failed": 1, "dropped": 1}))
    assert (counts.offered, counts.unaccounted, counts.final) == (7, 2, False)


def test_a_second_is_in_violation_when_too_few_of_those_that_ended_in_it_were_in_time() -> None:
    seconds = load(second(good=9, slow=1), second(good=8, slow=2), second(good=10))
    assert load_figures.violations(seconds, SLO) == [False, True, False]


@pytest.mark.parametrize("loss", ["failed", "dropped", "abandoned"])
def test_what_was_not_answered_counts_as_not_in_time(loss: str) -> None:
    seconds = load(second(good=9, **{loss: 1}), second(good=8, **{loss: 2}))
    assert load_figures.violations(seconds, SLO) == [False, True]


def test_a_failure_counts_against_the_objective_however_quick_it_was() -> None:
    with_failures = {"completed": 8, "failed": 2, "response_times": times(*[100.0] * 8)}
    assert load_figures.good_arrivals(load(with_failures), 0.5) == [8]
    assert load_figures.violations(load(with_failures), SLO) == [True]
    slow_too = {"completed": 8, "failed": 1, "response_times": times(*[100.0] * 7, 900.0)}
    assert load_figures.good_arrivals(load(slow_too), 0.5) == [7]


def test_slo_figures_leave_the_warm_up_out_and_take_in_what_ended_after_the_load() -> None:
    figures = load_figures.slo_figures(
        load(
            second(slow=10, phase="warm-up"),
            second(good=10),
            second(good=5, slow=5),
            second(slow=1, phase="settle"),
            second(phase="settle"),
        ),
        SLO,
    )
    assert (figures.judged_seconds, figures.violated_seconds) == (3, 2)
    assert (figures.judged_arrivals, figures.good_arrivals) == (21, 15)
    assert figures.met_share == pytest.approx(1 / 3)


def test_seconds_in_which_requests_waited_and_none_ended_are_told_apart() -> None:
    figures = load_figures.slo_figures(
        load(second(good=1, in_flight=4), second(in_flight=9), second(in_flight=9), second(good=3)), SLO
    )
    assert (figures.judged_seconds, figures.violated_seconds, figures.silent_seconds) == (2, 0, 2)


def test_the_slo_of_a_run_without_arrivals_is_not_judged() -> None:
    assert load_figures.slo_figures(load(second()), SLO).met_share is None


def test_response_times_of_several_seconds_make_one_distribution() -> None:
    figures = load_figures.durations([times(*[10.0] * 90), times(*[200.0] * 9, 1000.0)])
    assert figures.count == 100
    assert figures.p50 == pytest.approx(0.01, rel=0.01)
    assert figures.p95 == pytest.approx(0.2, rel=0.01)
    assert figures.p99 == pytest.approx(0.2, rel=0.01)
    assert figures.longest == pytest.approx(1.0, rel=0.01)


def test_nothing_measured_has_no_quantiles() -> None:
    assert load_figures.durations([]).p99 is None


def test_the_offered_rate_is_of_whole_seconds_of_the_load_phase() -> None:
    figures = load_figures.offered_rate(
        load(
            {"phase": "warm-up", "offered": 50},
            {"offered": 4},  # the load began somewhere in this second
            {"offered": 12},
            {"offered": 14, "asked_rate": 20.0},  # from 10/s to 20/s in this second: 15 expected
            {"offered": 3, "asked_rate": 0.0, "users": 0},  # and ended somewhere in this one
            {"phase": "settle", "asked_rate": 0.0, "users": 0},
        )
    )
    assert (figures.seconds, figures.offered, figures.expected) == (2, 26, 25.0)
    assert figures.measured == 13.0
    assert figures.asked == 12.5


def test_closed_loop_load_asks_for_no_rate() -> None:
    figures = load_figures.offered_rate(load(*[{"offered": 8, "asked_rate": float("nan")}] * 3))
    assert figures.asked is None
    assert figures.measured == 8.0


def test_the_longest_lag_is_the_exact_one_not_a_bucket() -> None:
    seconds = load({"schedule_lags": times(7.0), "schedule_lag_max_seconds": 0.0071234})
    assert load_figures.longest_lag(seconds, None) == 0.0071234
    assert load_figures.longest_lag(seconds, Totals(schedule_lag_max_seconds=0.5)) == 0.5
    assert load_figures.longest_lag(load({}), None) is None
    assert load_figures.lag(seconds, 0.0071234).longest == 0.0071234
