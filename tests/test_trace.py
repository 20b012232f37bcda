"""A recorded trace: in order from its first arrival on, as fast and as far as asked, small in memory."""

from __future__ import annotations

import doctest
import random
from array import array

import pytest

from swarm_ext.arrivals import trace as module
from swarm_ext.arrivals.trace import Trace


def trace(*seconds: float) -> Trace:
    return Trace(array("d", seconds), name="recorded.csv")


def instants(of: Trace) -> list[float]:
    return [of[number] for number in range(len(of))]


def test_arrivals_are_in_order_and_count_from_the_first() -> None:
    assert instants(trace(107, 105, 106.5, 105)) == [0, 0, 1.5, 2]
    assert trace(107, 105).seconds == 2


def test_a_large_unsorted_trace_is_sorted_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SORTED_AT_ONCE", 1000)
    rng = random.Random(1)
    recorded = [rng.random() for _ in range(10_500)]
    assert instants(trace(*recorded)) == [second - min(recorded) for second in sorted(recorded)]


def test_a_trace_can_be_faster_and_shorter() -> None:
    faster = trace(0, 1, 2, 3).scaled(2).first(3)
    assert instants(faster) == [0, 0.5, 1]
    assert repr(faster) == "3 recorded arrivals of recorded.csv over 1 s, 2 times as fast"
    assert trace(0, 1).first(99).seconds == 1


def test_how_many_are_due_by_an_instant() -> None:
    recorded = trace(0, 1, 1, 2)
    assert [recorded.due_until(second) for second in (-1, 0, 0.9, 1, 5)] == [0, 1, 1, 3, 4]


def test_its_rate_is_the_mean_of_the_last_seconds() -> None:
    steps = trace(*(k / 10 for k in range(300)), *(30 + k / 40 for k in range(1200)))
    assert steps.rate_at(15) == pytest.approx(10, rel=0.05)
    assert steps.rate_at(45) == pytest.approx(40, rel=0.05)
    assert steps.rate_at(2) == pytest.approx(10, rel=0.1), "at the beginning over what there was"
    assert steps.rate_at(29.9) == pytest.approx(10, rel=0.05), "and of what comes it knows nothing"
    assert steps.rate_at(-1) == steps.rate_at(60) == 0
    assert trace(5).rate_at(0) == 1


def test_its_digest_tells_it_from_others() -> None:
    assert trace(1, 2, 3).digest() == trace(3, 2, 1).digest() == trace(11, 12, 13).digest()
    assert len({trace(1, 2, 3).digest(), trace(1, 2).digest(), trace(1, 2, 3).scaled(2).digest()}) == 3


def test_a_million_arrivals_take_eight_megabytes() -> None:
    recorded = trace(*range(1_000_000))
    assert recorded._instants.itemsize * len(recorded) == 8_000_000
    assert recorded.due_until(499_999) == 500_000


def test_the_example_in_the_documentation_runs() -> None:
    result = doctest.testmod(module)
    assert (result.attempted, result.failed) == (3, 0)
