"""The clocks of workers: known by their least delayed report, and one shift of whole seconds for the whole run."""

from __future__ import annotations

import pytest

from swarm_ext.distributed.clocks import WorkerClocks


@pytest.fixture
def clocks() -> WorkerClocks:
    return WorkerClocks()


def test_the_least_delayed_report_tells_the_offset(clocks: WorkerClocks) -> None:
    for delay in (0.9, 0.02, 2.0):
        clocks.observe("a", stamped=1005.0, received=1000.0 + delay)
        clocks.observe("b", stamped=990.0, received=1000.0 + delay)
    assert clocks.offsets() == {"a": pytest.approx(4.98), "b": pytest.approx(-10.02)}
    assert (clocks.seconds_ahead("a"), clocks.seconds_ahead("b")) == (5, -10)


def test_questions_and_answers_tell_the_offset_however_slow_the_way(clocks: WorkerClocks) -> None:
    clocks.exchange("slow", asked=1000.0, stamped=1005.3, received=1000.6)
    clocks.exchange("quick", asked=1000.0, stamped=1005.3, received=1000.61)
    clocks.exchange("quick", asked=1001.0, stamped=1006.302, received=1001.004)
    assert clocks.offsets()["slow"] == pytest.approx(5.0, abs=0.3), "between the bounds that the way allows"
    assert clocks.offsets()["quick"] == pytest.approx(5.3, abs=0.004), "the quickest answer counts"


def test_an_answer_betters_what_reports_say(clocks: WorkerClocks) -> None:
    clocks.observe("a", stamped=1000.0, received=1000.9)
    clocks.exchange("a", asked=1001.0, stamped=1001.02, received=1001.04)
    assert clocks.offsets()["a"] == pytest.approx(0.0, abs=0.02)


def test_a_worker_keeps_its_shift_whatever_later_reports_say(clocks: WorkerClocks) -> None:
    clocks.observe("a", stamped=1000.0, received=1000.6)
    assert clocks.seconds_ahead("a") == -1
    clocks.observe("a", stamped=1001.0, received=1001.1)
    assert clocks.seconds_ahead("a") == -1
    assert clocks.offsets()["a"] == pytest.approx(-0.1)


def test_an_offset_above_a_second_is_told_once(
    clocks: WorkerClocks, caplog: pytest.LogCaptureFixture
) -> None:
    clocks.observe("near", stamped=1000.9, received=1000.0)
    clocks.observe("far", stamped=998.0, received=1000.0)
    for _ in range(3):
        clocks.seconds_ahead("near")
        clocks.seconds_ahead("far")
    assert [record.getMessage() for record in caplog.records] == [
        "The clock of worker far is 2.0 s behind ours: its seconds are put where ours has them"
    ]
