"""What a terminal says of a run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from swarm_ext import histogram
from swarm_ext.model import ArrivalCheck, ArrivalProcessRecord, PhaseSpan, Run, Totals, Trouble
from swarm_ext.summary import generator_was_the_bottleneck, summary

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def run(**changes: object) -> Run:
    totals = Totals(
        offered=100, completed=90, failed=4, dropped=3, abandoned=3,
        response_times={histogram.bucket(0.2): 94}, schedule_lags={histogram.bucket(0.001): 97},
        schedule_lag_max_seconds=0.0123,
    )  # fmt: skip
    values: dict[str, object] = {
        "id": "r1",
        "start": START,
        "totals": totals,
        "exit_status": "finished",
        "arrival_process": ArrivalProcessRecord(kind="poisson", description="Poisson, each user", rate=20.0),
        "phases": (PhaseSpan(name="load", start=START, end=START + timedelta(seconds=10)),),
        **changes,
    }
    return Run(**values)  # type: ignore[arg-type]


def test_the_sum_is_shown_with_its_parts() -> None:
    assert "100 = 90 completed + 4 failed + 3 dropped + 3 abandoned" in summary(run())


def test_response_times_and_lag_are_shown_with_their_units() -> None:
    text = summary(run())
    assert "p50 200 ms" in text or "p50 199 ms" in text or "p50 201 ms" in text
    assert "max 12.3 ms" in text


def test_the_rate_is_what_was_observed_against_what_was_to_be_expected() -> None:
    text = summary(run(arrival_check=ArrivalCheck(observed=100, expected=80.0, uniforms=(50, 50))))
    assert "125.0% of what was asked: 100 arrivals where 80.0 were to be expected" in text


def test_a_replay_is_told_by_counts_and_no_chance_is_in_it() -> None:
    process = ArrivalProcessRecord(kind="replay", description="120 recorded", rate=None, recorded=120)
    check = ArrivalCheck(observed=97, expected=100.0, uniforms=None)
    text = summary(run(arrival_process=process, arrival_check=check))
    assert "rate           97 of 100 recorded arrivals that were due until the end" in text
    assert "σ" not in text


def test_the_workers_clocks_are_shown_where_there_are_workers() -> None:
    text = summary(run(worker_clocks={"a": 5.02, "b": -0.0004}))
    assert "clocks         a 5.0 s ahead, the rest within 0.4 ms of the master's" in text
    assert "clocks" not in summary(run())


def test_a_closed_loop_has_a_plain_rate_and_no_schedule() -> None:
    totals = Totals(offered=50, completed=50)
    process = ArrivalProcessRecord(kind="closed", description="closed loop", rate=None)
    check = ArrivalCheck(observed=50, expected=None, uniforms=None)
    text = summary(run(totals=totals, arrival_process=process, arrival_check=check))
    assert "5.00/s over 10.0 s" in text
    assert "closed-loop load has no schedule" in text


@pytest.mark.parametrize("totals", [Totals(), Totals(offered=8, dropped=8)])
def test_an_open_loop_that_started_nothing_is_not_taken_for_a_closed_one(totals: Totals) -> None:
    text = summary(run(totals=totals))
    assert "schedule lag   – (no arrival was started)" in text
    assert "closed" not in text


@pytest.mark.parametrize(("lag", "said"), [(0.2, True), (0.004, False)])
def test_a_generator_that_was_the_bottleneck_is_said_to_be_so_loudly(lag: float, said: bool) -> None:
    totals = Totals(offered=10, completed=10, schedule_lags={histogram.bucket(lag): 10})
    assert generator_was_the_bottleneck(totals) is said
    assert ("THE GENERATOR WAS THE BOTTLENECK" in summary(run(totals=totals))) is said


def test_drops_and_troubles_are_warned_of() -> None:
    text = summary(run(troubles=(Trouble(source="store", count=3, message="disk full"),)))
    assert "3 arrivals were dropped because --max-in-flight" in text
    assert "store: disk full (3×)" in text


def test_replicas_are_shown_over_time() -> None:
    assert "1 at 0 s, 4 at 21 s" in summary(run(), [(0.0, 1), (21.3, 4)])


def test_a_run_without_figures_says_so() -> None:
    assert "nothing was measured" in summary(run(totals=None))
