"""The master's desk for leases: who is granted what, who is told when there is something again, and who is called back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from swarm_ext.distributed.lease_desk import LeaseDesk
from swarm_ext.distributed.wire import Grant, Recall
from swarm_ext.load import LoadCounts, LoadMerger

if TYPE_CHECKING:
    from collections.abc import Callable


class Run:
    """A run of ten arrivals by workers `a` and `b`; `sent` is what they were sent since `news` was last asked."""

    def __init__(self) -> None:
        self.merger = LoadMerger("run", 0)
        self.sent: list[tuple[str, Grant | Recall]] = []
        self.desk = LeaseDesk(10, "run", self.merger, lambda: ["a", "b"], self._send)

    def _send(self, _kind: str, message: Grant | Recall, worker: str) -> None:
        self.sent.append((worker, message))

    def offer(self, worker: str, arrivals: int) -> None:
        self.merger.add(worker, [LoadCounts(second=0, offered=arrivals)])

    def news(self) -> list[tuple[str, Grant | Recall]]:
        news, self.sent = self.sent, []
        return news


@pytest.fixture
def run() -> Run:
    return Run()


def grant(arrivals: int, *, exhausted: bool = False) -> Grant:
    return Grant(run_id="run", arrivals=arrivals, exhausted=exhausted)


def test_a_worker_is_granted_what_it_wants_as_far_as_it_goes(run: Run) -> None:
    run.desk.deal("a", 6)
    run.desk.deal("b", 6)
    assert run.news() == [("a", grant(6)), ("b", grant(4, exhausted=True))]


@pytest.mark.parametrize(
    "free",
    [lambda desk: desk.give_back("a", 3), lambda desk: desk.lose("a")],
    ids=["given back", "taken from a lost one"],
)
def test_who_was_told_that_nothing_is_left_is_told_once_when_there_is_again(
    run: Run, free: Callable[[LeaseDesk], None]
) -> None:
    run.desk.deal("a", 10)
    run.desk.give_back("a", 0)
    assert run.news() == [("a", grant(10, exhausted=True))]
    free(run.desk)
    assert run.news() == [("a", grant(0)), ("b", grant(0))]
    free(run.desk)
    assert run.news() == []


def test_nobody_is_told_of_what_came_back_while_there_was_enough(run: Run) -> None:
    run.desk.deal("a", 5)
    run.news()
    run.desk.give_back("a", 5)
    assert run.news() == []


def test_a_lost_worker_may_have_made_what_it_was_dealt_and_did_not_tell(run: Run) -> None:
    run.desk.deal("a", 6)
    run.offer("a", 4)
    assert run.desk.untold("a") == 2


def test_what_a_lost_worker_had_made_and_tells_late_is_not_dealt_again(run: Run) -> None:
    run.desk.deal("a", 10)
    run.desk.lose("a")
    run.offer("a", 7)
    run.desk.lose("a")
    run.news()
    run.desk.deal("b", 10)
    assert run.news() == [("b", grant(3, exhausted=True))]


def test_a_worker_that_came_back_is_told_how_things_stand(run: Run) -> None:
    run.desk.deal("a", 10)
    run.desk.lose("a")
    run.news()
    run.desk.find("a")
    assert run.news() == [("a", grant(0, exhausted=True))]


def test_workers_are_called_back_only_if_more_was_dealt_than_there_was(run: Run) -> None:
    run.desk.deal("a", 10)
    run.news()
    run.desk.recall_excess(["a", "b"])
    assert run.news() == []
    run.desk.lose("a")
    run.desk.deal("b", 10)
    run.desk.find("a")
    run.news()
    run.desk.recall_excess(["a", "b"])
    assert run.news() == [("a", Recall(run_id="run")), ("b", Recall(run_id="run"))]


def test_a_run_is_done_when_all_its_arrivals_were_offered_and_says_if_there_were_more(run: Run) -> None:
    run.offer("a", 9)
    assert not run.desk.done
    run.offer("b", 1)
    assert (run.desk.done, run.desk.excess()) == (True, None)
    run.offer("b", 1)
    assert str(run.desk.excess()).startswith("11 arrivals were offered, not 10:")
