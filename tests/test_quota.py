"""Exactly N arrivals: spent from a lease, dealt by a ledger, never more and never less."""

from __future__ import annotations

import random

import gevent
import pytest

from swarm_ext.quota import LAPSE_SECONDS, LEASE_SECONDS, LONGEST_LEASE_SECONDS, Lease, Ledger


def test_without_a_limit_every_arrival_may_be_made() -> None:
    lease = Lease()
    assert all(lease.take(10) for _ in range(1000))
    assert not lease.spent


def test_a_limit_is_spent_by_its_last_arrival() -> None:
    lease = Lease(limit=3)
    assert [lease.take(10), lease.take(10), lease.spent, lease.take(10), lease.spent] == [
        True, True, False, True, True,
    ]  # fmt: skip
    assert lease.take(10) is False


def test_the_next_lease_is_asked_for_when_half_is_gone() -> None:
    asked: list[int] = []
    lease = Lease(ask=asked.append)
    lease.grant(10, exhausted=False)
    for _ in range(4):
        lease.take(20)
    assert asked == []
    lease.take(20)
    assert asked == [10]  # half a second's worth at 20/s
    lease.take(20)
    assert asked == [10], "one question at a time"


def test_an_arrival_waits_for_a_grant() -> None:
    lease = Lease(ask=lambda _: None)
    waiting = gevent.spawn(lease.take, 1.0)
    gevent.sleep(0)
    assert not waiting.ready()
    lease.grant(1, exhausted=True)
    assert waiting.get(timeout=5) is True
    assert lease.spent


def test_who_waits_when_nothing_is_left_is_told_so() -> None:
    lease = Lease(ask=lambda _: None)
    waiting = [gevent.spawn(lease.take, 1.0) for _ in range(3)]
    gevent.sleep(0)
    lease.grant(0, exhausted=True)
    assert [greenlet.get(timeout=5) for greenlet in waiting] == [False] * 3


def test_what_another_worker_gave_back_revives_a_spent_lease() -> None:
    asked: list[int] = []
    lease = Lease(ask=asked.append)
    lease.grant(0, exhausted=True)
    assert lease.spent
    lease.grant(0, exhausted=False)
    assert not lease.spent
    waiting = gevent.spawn(lease.take, 1.0)
    gevent.sleep(0)
    assert asked == [1]
    lease.grant(1, exhausted=True)
    assert waiting.get(timeout=5) is True


def test_a_ledger_deals_no_more_than_it_has() -> None:
    ledger = Ledger(10)
    assert [ledger.deal("a", 6), ledger.deal("b", 6), ledger.deal("a", 1)] == [6, 4, 0]
    assert (ledger.left, ledger.dealt) == (0, 10)


def test_what_is_given_back_is_dealt_again() -> None:
    ledger = Ledger(10)
    ledger.deal("a", 10)
    ledger.give_back("a", 3)
    assert ledger.deal("b", 5) == 3
    assert ledger.dealt == 10


def test_what_a_lost_worker_did_not_report_is_dealt_again() -> None:
    ledger = Ledger(100)
    ledger.deal("lost", 60)
    ledger.lose("lost", offered=45)
    assert (ledger.left, ledger.dealt) == (55, 45)


def test_a_worker_may_have_made_what_it_was_dealt_less_what_it_gave_back_and_told() -> None:
    ledger = Ledger(100)
    assert ledger.held("lost", offered=0) == 0
    ledger.deal("lost", 60)
    ledger.give_back("lost", 5)
    assert ledger.held("lost", offered=45) == 10


def test_what_a_worker_made_before_it_was_lost_is_taken_from_what_is_left_when_it_tells() -> None:
    ledger = Ledger(100)
    ledger.deal("lost", 60)
    ledger.lose("lost", offered=45)
    ledger.lose("lost", offered=52)
    assert ledger.left == 48


def test_a_worker_that_is_found_has_what_it_had_unless_it_gave_that_back() -> None:
    ledger = Ledger(100)
    ledger.deal("lost", 60)
    ledger.lose("lost", offered=45)
    ledger.give_back("lost", 8)
    assert ledger.left == 55, "it was taken back already"
    ledger.find("lost")
    assert ledger.left == 48


def test_a_ledger_that_dealt_too_much_deals_nothing_until_enough_came_back() -> None:
    ledger = Ledger(10)
    ledger.deal("lost", 5)
    ledger.lose("lost", offered=0)
    ledger.deal("b", 10)
    ledger.find("lost")
    assert (ledger.left, ledger.deal("c", 1)) == (-5, 0)
    ledger.give_back("b", 6)
    assert ledger.deal("c", 3) == 1


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_lease_of_a_process_that_stood_still_lapses_before_it_makes_another_arrival() -> None:
    asked: list[int] = []
    clock = Clock()
    lease = Lease(ask=asked.append, clock=clock)
    lease.grant(10, exhausted=True)
    assert lease.take(1.0) is True
    clock.now += LAPSE_SECONDS + 0.1
    assert lease.take(1.0) is False
    assert (lease.returned, asked) == (9, [0]), "and the master is told what is given back"


def test_a_lease_lapses_too_when_the_process_first_says_that_it_is_running() -> None:
    asked: list[int] = []
    clock = Clock()
    lease = Lease(ask=asked.append, clock=clock)
    lease.grant(10, exhausted=False)
    clock.now += LAPSE_SECONDS + 0.1
    lease.keep(clock.now)
    assert (lease.returned, asked) == (10, [0])


def test_a_lease_that_is_kept_lasts() -> None:
    clock = Clock()
    lease = Lease(ask=lambda _: None, clock=clock)
    lease.grant(10, exhausted=True)
    for _ in range(10):
        clock.now += LAPSE_SECONDS / 2
        lease.keep(clock.now)
        assert lease.take(0.5) is True
    assert lease.returned == 0


def test_a_lease_lapses_in_a_process_that_runs_and_is_not_heard() -> None:
    clock, asked = Clock(), list[int]()
    lease = Lease(ask=asked.append, clock=clock)
    told = clock.now
    lease.grant(10, exhausted=True)
    for _ in range(6):
        clock.now += LAPSE_SECONDS / 5
        lease.keep(told)
    assert (lease.take(1.0), lease.returned, asked) == (False, 10, [0])


def test_a_grant_that_was_read_too_late_is_given_back_and_asked_for_anew() -> None:
    clock, asked = Clock(), list[int]()
    lease = Lease(ask=asked.append, clock=clock)
    waiting = gevent.spawn(lease.take, 1.0)
    gevent.sleep(0)
    clock.now += LAPSE_SECONDS + 0.1
    lease.grant(7, exhausted=False)
    gevent.sleep(0)
    assert (lease.returned, asked) == (7, [1, 0, 1])
    assert not waiting.ready()
    clock.now += 0.1
    lease.grant(1, exhausted=True)
    assert waiting.get(timeout=5) is True


@pytest.mark.parametrize(
    ("grant_seconds", "lease_seconds"),
    [(0.01, LEASE_SECONDS), (0.2, 4 * 0.2), (5.0, LONGEST_LEASE_SECONDS)],
    ids=["near", "far", "hardly there"],
)
def test_where_grants_take_long_a_lease_lasts_longer_within_bounds(
    grant_seconds: float, lease_seconds: float
) -> None:
    clock, asked = Clock(), list[int]()
    lease = Lease(ask=asked.append, clock=clock)
    waiting = gevent.spawn(lease.take, 1000.0)
    gevent.sleep(0)
    clock.now += grant_seconds
    lease.keep(clock.now)
    lease.grant(2, exhausted=False)
    waiting.get(timeout=5)
    assert asked == [1000 * LEASE_SECONDS, pytest.approx(1000 * lease_seconds, abs=1)]


def test_a_grant_that_took_long_once_is_forgotten_in_time() -> None:
    clock, asked = Clock(), list[int]()
    lease = Lease(ask=asked.append, clock=clock)
    waiting = gevent.spawn(lease.take, 1000.0)
    gevent.sleep(0)
    clock.now += 0.2
    lease.grant(2, exhausted=False)
    waiting.get(timeout=5)
    for _ in range(100):
        lease.grant(2, exhausted=False)
        assert [lease.take(1000.0), lease.take(1000.0)] == [True, True]
    assert asked[1] > 1000 * LEASE_SECONDS == asked[-1]


def test_the_limit_of_one_process_does_not_lapse() -> None:
    clock = Clock()
    lease = Lease(limit=2, clock=clock)
    clock.now += 1000
    assert [lease.take(1.0), lease.take(1.0), lease.take(1.0)] == [True, True, False]


@pytest.mark.parametrize("seed", range(20))
def test_whatever_workers_do_the_total_is_exact(seed: int) -> None:
    rng = random.Random(seed)
    ledger = Ledger(500)
    held, made, told, returned = (dict.fromkeys("abcd", 0) for _ in range(4))
    lost: set[str] = set()
    for _ in range(10_000):
        worker = rng.choice("abcd")
        action = rng.random()
        if action < 0.4 and worker not in lost:
            held[worker] += ledger.deal(worker, rng.randint(1, 20))
        elif action < 0.9 and held[worker] and worker not in lost:
            held[worker] -= 1
            made[worker] += 1
        elif action < 0.93:
            told[worker] = made[worker]
        elif action < 0.96:
            returned[worker] += held[worker]
            held[worker] = 0
            ledger.give_back(worker, returned[worker])
        elif worker == "d" and sum(made.values()) < 300:  # stops at times, not at the run's very end
            assert ledger.held("d", told["d"]) >= made["d"] - told["d"]
            ledger.lose("d", told["d"])
            lost.add("d")
        if "d" in lost and (rng.random() < 0.05 or sum(made.values()) > 350):
            returned["d"] += held["d"]
            held["d"] = 0
            ledger.give_back("d", returned["d"])
            ledger.find("d")
            lost.remove("d")
    assert sum(made.values()) + sum(held.values()) + ledger.left == 500
    assert sum(made.values()) == 500
