"""Every recorded arrival is dealt to one worker, in time and in fair shares, and to another only if that one is lost."""

from __future__ import annotations

import random
from array import array

import pytest

from swarm_ext.arrivals.trace import Trace
from swarm_ext.replay_dealer import MOST_AT_ONCE, Dealer


def dealer(arrivals: int = 100, *, every: float = 1.0) -> Dealer:
    return Dealer(Trace(array("d", (k * every for k in range(arrivals))), name="recorded.csv"))


def test_arrivals_are_dealt_once_and_only_what_is_due_soon() -> None:
    deals = dealer()
    assert deals.deal(2.5, {"a": 1}) == {"a": [0, 1, 2]}
    assert deals.deal(2.9, {"a": 1}) == {}
    assert deals.deal(4, {"a": 1}) == {"a": [3, 4]}
    assert deals.deal(-1, {"a": 1}) == {}


def test_workers_have_shares_as_they_have_streams() -> None:
    deals = dealer(1200)
    counts = {"a": 0, "b": 0, "c": 0}
    for second in range(1200):
        for worker, numbers in deals.deal(second, {"a": 3, "b": 1, "c": 2}).items():
            counts[worker] += len(numbers)
    assert counts == {"a": 600, "b": 200, "c": 400}, "also where they are dealt one at a time"


def test_a_worker_without_streams_gets_nothing() -> None:
    deals = dealer()
    assert deals.deal(50, {}) == deals.deal(50, {"a": 0}) == {}
    assert deals.deal(1, {"a": 0, "b": 2}) == {"b": [0, 1]}


def test_a_worker_that_joins_late_has_its_share_from_then_on_and_no_more() -> None:
    deals = dealer(400)
    deals.deal(199, {"a": 1})
    dealt = deals.deal(399, {"a": 1, "b": 1})
    assert abs(len(dealt["a"]) - len(dealt["b"])) <= 1


def test_what_a_worker_has_not_told_of_is_taken_back_and_dealt_to_the_others() -> None:
    deals = dealer()
    first = deals.deal(9, {"a": 1, "b": 1})
    deals.fired("a", first["a"][:2])
    assert deals.held("a") == first["a"][2:]
    deals.take_back("a")
    assert deals.held("a") == []
    assert deals.deal(9, {"b": 1}) == {"b": first["a"][2:]}
    deals.take_back("a")
    assert deals.deal(9, {"c": 1}) == {}


def test_what_a_lost_worker_tells_late_is_not_dealt_any_more_and_counted_if_it_was() -> None:
    deals = dealer(4)
    deals.deal(3, {"a": 1})
    deals.take_back("a")
    deals.fired("a", [0])
    assert deals.deal(3, {"b": 1}) == {"b": [1, 2, 3]}
    deals.fired("a", [1])
    deals.fired("b", [1, 2, 3])
    assert (deals.done, deals.fired_once, deals.fired_again) == (True, 4, 1)


def test_a_heap_of_arrivals_is_dealt_in_parts() -> None:
    deals = dealer(3 * MOST_AT_ONCE, every=0.0)
    sizes = [len(deals.deal(0, {"a": 1})["a"]) for _ in range(3)]
    assert sizes == [MOST_AT_ONCE] * 3
    deals.take_back("a")
    assert len(deals.deal(0, {"b": 1})["b"]) == MOST_AT_ONCE
    assert deals.deal(0, {}) == {}


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_to_workers_each_arrival_is_fired_once_but_for_those_named(seed: int) -> None:
    rng, deals = random.Random(seed), dealer(500)
    held: dict[str, list[int]] = {worker: [] for worker in "abcd"}
    untold: dict[str, list[int]] = {worker: [] for worker in "abcd"}
    fired: list[int] = []
    for second in range(5000):
        for worker, numbers in deals.deal(second / 8, dict.fromkeys(held, 1)).items():
            held[worker] += numbers
        worker = rng.choice(list(held))
        action = rng.random()
        if action < 0.7 and held[worker]:
            number = held[worker].pop(0)
            fired.append(number)
            untold[worker].append(number)
        elif action < 0.9:
            deals.fired(worker, untold[worker])
            untold[worker] = []
        elif action < 0.93:
            deals.fired(worker, untold[worker])
            deals.take_back(worker)
            held[worker], untold[worker] = [], []
        elif action < 0.94:
            deals.take_back(worker)  # it lives, and tells later what it has fired
            held[worker] = []
    while not deals.done:
        for worker, numbers in deals.deal(5000, dict.fromkeys(held, 1)).items():
            fired += numbers
            deals.fired(worker, numbers)
        for worker, rest in held.items():
            fired += rest
            deals.fired(worker, [*untold[worker], *rest])
            held[worker], untold[worker] = [], []
    assert sorted(set(fired)) == list(range(500))
    assert len(fired) - 500 == deals.fired_again
