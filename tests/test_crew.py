"""The greenlets that run arrivals: kept, in order, and gone when they are to go."""

from __future__ import annotations

from typing import TYPE_CHECKING

import gevent
import pytest
from gevent.event import Event

from swarm_ext.crew import Crew

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def crew() -> Iterator[Crew]:
    crew = Crew()
    yield crew
    crew.disband(5)


def test_jobs_begin_in_the_order_in_which_they_were_started(crew: Crew) -> None:
    begun: list[int] = []

    def job(number: int) -> None:
        begun.append(number)
        gevent.sleep(0.01)

    for start in (0, 50):
        for number in range(start, start + 50):
            crew.start(job, number)
        assert len(begun) == start
        crew.join(20)
    assert begun == list(range(100))


def test_greenlets_are_used_again_and_are_as_many_as_were_at_work_at_once(crew: Crew) -> None:
    used: list[object] = []

    def job() -> None:
        used.append(gevent.getcurrent())
        gevent.sleep(0.01)

    for _ in range(5):
        for _ in range(3):
            crew.start(job)
        crew.join(20)
    assert len(used) == 15
    assert len(set(used)) == 3


def test_a_join_waits_no_longer_than_it_may(crew: Crew) -> None:
    crew.start(gevent.sleep, 60)
    with gevent.Timeout(20):
        crew.join(0.01)


def test_to_disband_kills_what_is_under_way_and_what_has_not_begun(crew: Crew) -> None:
    ended: list[str] = []

    def job(name: str) -> None:
        try:
            gevent.sleep(60)
        finally:
            ended.append(name)

    crew.start(job, "under way")
    gevent.sleep(0.01)
    crew.start(job, "not begun")
    crew.disband(5)
    assert ended == ["under way"]
    with gevent.Timeout(20):
        crew.join(60)
    crew.start(ended.append, "after it")
    crew.join(20)
    assert ended == ["under way", "after it"]


def test_a_job_given_to_an_idle_greenlet_that_is_then_killed_does_not_run(crew: Crew) -> None:
    ran: list[int] = []
    crew.start(ran.append, 1)
    crew.join(20)
    crew.start(ran.append, 2)
    crew.disband(5)
    gevent.sleep(0.01)
    assert ran == [1]


def test_a_job_that_catches_its_kill_is_the_last_of_its_greenlet(crew: Crew) -> None:
    caught = Event()
    greenlets: list[gevent.Greenlet] = []

    def stubborn() -> None:
        greenlets.append(gevent.getcurrent())
        try:
            gevent.sleep(60)
        except gevent.GreenletExit:
            caught.set()

    crew.start(stubborn)
    gevent.sleep(0.01)
    crew.disband(5)
    assert caught.is_set()
    assert greenlets[0].dead


def test_a_job_that_kills_its_own_greenlet_takes_nobody_else_along(crew: Crew) -> None:
    done: list[int] = []
    crew.start(lambda: gevent.getcurrent().kill())
    crew.join(20)
    for number in range(3):
        crew.start(done.append, number)
    crew.join(20)
    assert done == [0, 1, 2]


@pytest.mark.parametrize("late", [gevent.Timeout(1), KeyError("late")])
def test_a_job_is_done_once_whatever_hits_its_greenlet_before_it_begins(
    crew: Crew, late: BaseException
) -> None:
    greenlets: list[gevent.Greenlet] = []
    woken: list[bool] = []

    def job() -> None:
        greenlets.append(gevent.getcurrent())
        with gevent.Timeout(0.05, False):
            Event().wait()
            woken.append(True)

    crew.start(job)
    crew.join(20)
    gevent.get_hub().loop.run_callback(greenlets[0].throw, late)
    crew.start(job)
    crew.join(20)
    assert len(greenlets) == 2
    assert not woken


def test_a_timeout_that_a_job_left_running_harms_no_idle_greenlet(crew: Crew) -> None:
    done: list[int] = []
    crew.start(lambda: gevent.Timeout(0.01).start())
    crew.join(20)
    gevent.sleep(0.05)
    crew.start(done.append, 1)
    crew.join(20)
    assert done == [1]
