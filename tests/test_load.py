"""What the load did, second by second: counted once, in the second in which it happened, in whichever process."""

from __future__ import annotations

import pytest

from swarm_ext import histogram
from swarm_ext.load import (
    LATE_SECONDS,
    MOST_REPLICAS,
    OTHER_REPLICAS,
    LoadCounts,
    LoadMerger,
    LoadRecorder,
)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.2

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def recorder(clock: Clock) -> LoadRecorder:
    return LoadRecorder(clock, lambda _at: (3, 12.5))


def merger() -> LoadMerger:
    return LoadMerger("run", 1000)


def test_each_thing_is_counted_in_its_own_second(clock: Clock, recorder: LoadRecorder) -> None:
    recorder.started(recorder.now)
    recorder.lagged(recorder.now, 0.004)
    clock.now = 1001.7
    recorder.dropped(recorder.now)
    recorder.ended(recorder.now, "completed", 0.5)
    clock.now = 1003.0
    first, second = recorder.take_closed()
    assert (first.second, first.offered, first.started, first.completed, first.in_flight) == (
        1000,
        1,
        1,
        0,
        1,
    )
    assert (second.second, second.offered, second.dropped, second.completed, second.in_flight) == (
        1001,
        1,
        1,
        1,
        0,
    )
    assert (first.users, first.asked_rate) == (3, 12.5)
    assert histogram.quantile(second.response_times, 0.5) == pytest.approx(0.5, rel=0.01)
    assert first.schedule_lag_max_seconds == 0.004


def test_a_quick_failure_is_no_quick_answer(recorder: LoadRecorder) -> None:
    for outcome in ("failed", "completed"):
        recorder.started(recorder.now)
        recorder.ended(recorder.now, outcome, {"failed": 0.001, "completed": 0.7}[outcome])  # type: ignore[arg-type]
    (counts,) = recorder.take_all()
    assert histogram.count(counts.response_times) == 1
    assert histogram.quantile(counts.response_times, 0.0) == pytest.approx(0.7, rel=0.01)


def test_replicas_without_number_do_not_fill_the_memory(recorder: LoadRecorder) -> None:
    for number in range(2 * MOST_REPLICAS):
        recorder.answered_by(recorder.now, f"r{number}")
    recorder.answered_by(recorder.now, "r0")
    (counts,) = recorder.take_all()
    assert len(counts.replica_requests) == MOST_REPLICAS + 1
    assert counts.replica_requests["r0"] == 2
    assert counts.replica_requests[OTHER_REPLICAS] == MOST_REPLICAS


def test_a_second_is_taken_once(clock: Clock, recorder: LoadRecorder) -> None:
    recorder.started(recorder.now)
    clock.now = 1001.0
    assert [counts.second for counts in recorder.take_closed()] == [1000]
    assert recorder.take_closed() == []


def test_the_end_of_a_run_takes_the_present_second_too(recorder: LoadRecorder) -> None:
    recorder.started(recorder.now)
    recorder.ended(recorder.now, "abandoned", 0.3)
    (counts,) = recorder.take_all()
    assert (counts.offered, counts.abandoned, counts.response_times) == (1, 1, {})
    assert sum(later.offered for later in recorder.take_all()) == 0


def test_a_second_waits_for_every_process() -> None:
    merged = merger()
    merged.add("a", [LoadCounts(second=1000, offered=3, asked_rate=5.0, users=1)])
    assert merged.samples(1001.5, ["a", "b"], lambda _: "load") == []
    merged.add("b", [LoadCounts(second=1000, offered=4, asked_rate=6.0, users=2)])
    (sample,) = merged.samples(1001.6, ["a", "b"], lambda _: "load")
    assert (sample.offered, sample.asked_rate, sample.users) == (7, 11.0, 3)


def test_a_process_that_is_late_is_not_waited_for_and_still_counts_in_the_totals() -> None:
    merged = merger()
    merged.add("a", [LoadCounts(second=1000, offered=3, dropped=3)])
    samples = merged.samples(1000 + LATE_SECONDS + 0.1, ["a", "b"], lambda _: "load")
    assert [sample.offered for sample in samples] == [3]
    merged.add("b", [LoadCounts(second=1000, offered=4, dropped=4)])
    assert merged.totals().offered == 7
    later = merged.samples(1010, [], lambda _: "load")
    assert sum(sample.offered for sample in samples + later) == 7


def test_the_gauges_of_a_late_second_are_not_added_to_those_of_a_newer_one() -> None:
    merged = merger()
    merged.samples(1002.5, [], lambda _: "load")
    merged.add(
        "a",
        [gauged(second, offered=1, users=4, in_flight=3, asked_rate=20.0) for second in range(1000, 1003)],
    )
    merged.add("b", [gauged(1001, offered=1, users=2, in_flight=1, asked_rate=10.0)])
    (sample,) = merged.samples(1003, [], lambda _: "load")
    assert sample.offered == 4
    assert (sample.users, sample.in_flight, sample.asked_rate) == (6, 4, 30.0)


def test_the_gauges_are_those_of_the_newest_second_in_whatever_order_they_come() -> None:
    merged = merger()
    merged.samples(1002.5, [], lambda _: "load")
    merged.add("a", [gauged(1002, users=4, in_flight=0, asked_rate=None)])
    merged.add("a", [gauged(1001, users=9, in_flight=9, asked_rate=9.0)])
    (sample,) = merged.samples(1003, [], lambda _: "load")
    assert (sample.users, sample.in_flight, sample.asked_rate) == (4, 0, None)


def gauged(
    second: int, *, offered: int = 0, users: int, in_flight: int, asked_rate: float | None
) -> LoadCounts:
    return LoadCounts(second=second, offered=offered, users=users, in_flight=in_flight, asked_rate=asked_rate)


def test_the_seconds_of_a_clock_that_is_ahead_are_put_where_ours_has_them() -> None:
    merged = merger()
    merged.add("ahead", [LoadCounts(second=1005, offered=3)], seconds_ahead=5)
    merged.add("behind", [LoadCounts(second=990, offered=4)], seconds_ahead=-10)
    (sample,) = merged.samples(1001, ["ahead", "behind"], lambda _: "load")
    assert sample.offered == 7


@pytest.mark.parametrize("given", [False, True], ids=["nothing given yet", "some given already"])
def test_at_the_end_every_arrival_is_in_some_sample(*, given: bool) -> None:
    merged = merger()
    samples = merged.samples(1002.5, [], lambda _: "load") if given else []
    for second in (1000, 1002, 1003, 1007):
        merged.add("a", [LoadCounts(second=second, offered=1, completed=1)])
    samples += merged.rest(1003.5, lambda _: "load")
    assert [sample.timestamp.timestamp() for sample in samples] == [1000, 1001, 1002, 1003]
    assert sum(sample.offered for sample in samples) == merged.totals().offered == 4


def test_what_comes_after_the_last_second_was_given_has_a_second_more() -> None:
    merged = merger()
    assert len(merged.rest(1001.5, lambda _: "load")) == 2
    assert merged.rest(1001.7, lambda _: "load") == []
    merged.add("a", [LoadCounts(second=1002, offered=1), LoadCounts(second=1003, offered=1)])
    (sample,) = merged.rest(1001.9, lambda _: "settle")
    assert (sample.offered, sample.timestamp.timestamp()) == (2, 1002)


def test_seconds_in_which_nothing_happened_are_samples_too() -> None:
    samples = merger().samples(1004.5, [], lambda second: "load" if second < 1002 else "settle")
    assert [sample.phase for sample in samples] == ["load", "load", "settle", "settle"]
    assert [sample.timestamp.timestamp() for sample in samples] == [1000, 1001, 1002, 1003]


def test_no_process_with_a_rate_means_no_asked_rate() -> None:
    merged = merger()
    merged.add("a", [LoadCounts(second=1000, offered=1, completed=1)])
    (sample,) = merged.samples(1001, ["a"], lambda _: "load")
    assert sample.asked_rate is None


def test_quantiles_are_of_all_processes_together() -> None:
    merged = merger()
    merged.add("a", [LoadCounts(second=1000, response_times={histogram.bucket(0.1): 98})])
    merged.add("b", [LoadCounts(second=1000, response_times={histogram.bucket(2.0): 2})])
    (sample,) = merged.samples(1001, ["a", "b"], lambda _: "load")
    assert sample.response_time_p50_seconds == pytest.approx(0.1, rel=0.01)
    assert sample.response_time_p99_seconds == pytest.approx(2.0, rel=0.01)


def test_requests_by_replica_add_up() -> None:
    merged = merger()
    merged.add("a", [LoadCounts(second=1000, replica_requests={"x": 2, "y": 1})])
    merged.add("b", [LoadCounts(second=1000, replica_requests={"x": 5})])
    (sample,) = merged.samples(1001, ["a", "b"], lambda _: "load")
    assert sample.replica_requests == {"x": 7, "y": 1}


def test_what_a_lost_process_started_counts_as_abandoned() -> None:
    merged = merger()
    merged.add("a", [LoadCounts(second=1000, offered=10, started=10, completed=4)])
    totals = merged.totals()
    assert totals.abandoned == 6
    assert totals.offered == totals.completed + totals.failed + totals.dropped + totals.abandoned
