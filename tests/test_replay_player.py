"""Recorded arrivals in one process: each is fired by one stream, or given back."""

from __future__ import annotations

import gevent

from swarm_ext.quota import LAPSE_SECONDS
from swarm_ext.replay_player import Player, Recorded


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def arrivals(*instants: float) -> list[Recorded]:
    return [Recorded(instant, number) for number, instant in enumerate(instants)]


def test_arrivals_are_taken_in_the_order_in_which_they_are_due() -> None:
    player = Player()
    player.put(arrivals(3.0, 1.0))
    player.put([Recorded(0.5, 7)])
    assert [player.take().number for _ in range(3)] == [7, 1, 0]


def test_a_stream_waits_for_an_arrival() -> None:
    player = Player()
    stream = gevent.spawn(player.take)
    gevent.sleep(0)
    assert not stream.ready()
    player.put(arrivals(1.0))
    assert stream.get(timeout=5) == Recorded(1.0, 0)


def test_what_was_taken_and_not_claimed_goes_to_another_stream() -> None:
    player = Player()
    player.put(arrivals(1.0, 2.0))
    first = player.take()
    player.put_back(first)
    assert player.take() == first


def test_an_arrival_is_claimed_once_and_told_once() -> None:
    player = Player()
    player.put(arrivals(1.0, 2.0))
    taken = player.take()
    assert (player.claim(taken), player.claim(taken)) == (True, False)
    assert (player.news(), player.news()) == ([0], [])


def test_what_is_given_back_is_nobodys_here_any_more() -> None:
    player = Player()
    player.put(arrivals(1.0, 2.0, 3.0))
    taken = player.take()
    player.give_back()
    assert player.claim(taken) is False
    player.put_back(taken)
    player.put([Recorded(9.0, 5)], player.term)
    assert player.take().number == 5
    assert player.news() == []


def test_what_was_on_its_way_when_all_was_given_back_is_void() -> None:
    player = Player()
    player.put(arrivals(1.0))
    told = player.term
    player.give_back()
    player.put([Recorded(0.5, 4)], told)
    player.put([Recorded(2.0, 5)], player.term)
    assert player.take().number == 5


def test_a_process_that_stood_still_fires_nothing_more_of_what_it_had() -> None:
    clock = Clock()
    player = Player(clock)
    player.keep(clock.now)
    player.put(arrivals(1.0, 2.0))
    clock.now += LAPSE_SECONDS - 0.1
    assert player.claim(player.take()) is True
    clock.now += 0.2
    assert player.claim(player.take()) is False
    assert (player.news(), player.term) == ([0], 1)
    player.put([Recorded(9.0, 5)], player.term)
    assert player.claim(player.take()) is True, "what it is dealt after that is its own"


def test_a_process_that_runs_and_is_not_heard_fires_nothing_more_either() -> None:
    clock = Clock()
    player = Player(clock)
    told = clock.now
    player.keep(told)
    player.put(arrivals(1.0, 2.0))
    for _ in range(5):  # answers to what it told before it was cut off, late
        clock.now += LAPSE_SECONDS / 6
        player.keep(told)
    assert player.claim(player.take()) is True
    clock.now += LAPSE_SECONDS / 5
    assert player.claim(player.take()) is False


def test_what_is_read_late_by_a_process_that_stood_still_is_void_though_it_had_nothing_then() -> None:
    clock = Clock()
    player = Player(clock)
    player.keep(clock.now)
    clock.now += LAPSE_SECONDS + 0.1
    player.put(arrivals(1.0))  # sent before, read first, and due after the master's next word
    player.keep(clock.now)
    stream = gevent.spawn(player.take)
    gevent.sleep(0)
    assert not stream.ready()
    stream.kill()


def test_a_process_whose_arrivals_are_its_own_may_stand_still() -> None:
    clock = Clock()
    player = Player(clock)
    player.put(arrivals(1.0))
    clock.now += 100
    assert player.claim(player.take()) is True
