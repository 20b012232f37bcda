"""Exactly N arrivals: spent from a lease, dealt by a ledger, never more and never less."""

from __future__ import annotations

import random

import gevent
import pytest

from swarm_ext.quota import Lease, Ledger


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


@pytest.mark.parametrize("seed", range(20))
def test_whatever_workers_do_the_total_is_exact(seed: int) -> None:
    rng = random.Random(seed)
    ledger, made = Ledger(500), 0
    held = dict.fromkeys("abcd", 0)
    for _ in range(10_000):
        worker = rng.choice("abcd")
        action = rng.random()
        if action < 0.4:
            held[worker] += ledger.deal(worker, rng.randint(1, 20))
        elif action < 0.9 and held[worker]:
            held[worker] -= 1
            made += 1
        elif action < 0.95:
            ledger.give_back(worker, held[worker])
            held[worker] = 0
    assert made + sum(held.values()) + ledger.left == 500
    assert made == 500
