"""The master's desk for a replay: who is sent which recorded arrivals when a worker leaves."""

from __future__ import annotations

import time
from array import array

from swarm_ext.arrivals.trace import Trace
from swarm_ext.distributed.replay_desk import ReplayDesk
from swarm_ext.distributed.wire import Final, LoadReport, Portion
from swarm_ext.model import ArrivalCheck

LONG_AGO = 60.0
"""Seconds since the run began: all its arrivals are due."""


class Run:
    """A replay of six arrivals; `sent` is what each worker was sent since `news` was last asked."""

    def __init__(self) -> None:
        trace = Trace(array("d", range(6)), name="six.csv")
        self.sent: dict[str, list[int]] = {}
        self.terms: dict[str, int] = {}
        self.desk = ReplayDesk(trace, "run", time.monotonic() - LONG_AGO, self._send)

    def _send(self, _kind: str, message: Portion, worker: str) -> None:
        self.terms[worker] = message.term
        self.sent.setdefault(worker, []).extend(message.numbers)

    def report(self, worker: str, *fired: int, term: int = 0) -> None:
        self.desk.report(
            worker,
            LoadReport(run_id="run", counts=[], now=0.0, told_at=0.0, streams=1, fired=[*fired], term=term),
        )

    def final(self, worker: str, fired: list[int]) -> None:
        check = ArrivalCheck(observed=len(fired), expected=None, uniforms=None)
        self.desk.final(worker, Final(run_id="run", counts=[], now=0.0, fired=fired, arrival_check=check))

    def news(self) -> dict[str, list[int]]:
        self.desk.deal(["a", "b"])
        news, self.sent = self.sent, {}
        return news


def test_what_a_worker_that_leaves_has_not_fired_is_sent_to_those_that_stay() -> None:
    run = Run()
    run.report("a")
    run.report("b")
    dealt = run.news()
    assert sorted(dealt["a"] + dealt["b"]) == list(range(6))
    run.final("a", dealt["a"][:1])
    assert run.news() == {"b": dealt["a"][1:]}
    run.final("b", [*dealt["b"], *dealt["a"][1:]])
    assert run.desk.done
    assert run.news() == {}
    assert run.desk.troubles() == []


def test_what_a_worker_gave_back_with_a_new_term_is_sent_anew_for_that_term() -> None:
    run = Run()
    run.report("a")
    assert run.news() == {"a": [0, 1, 2, 3, 4, 5]}
    run.report("a", 0, 1, term=3)
    assert (run.news(), run.terms) == ({"a": [2, 3, 4, 5]}, {"a": 3})
    run.report("a", term=3)
    assert run.news() == {}, "once a term"


def test_a_lost_worker_keeps_what_it_was_sent_until_it_is_given_up() -> None:
    run = Run()
    run.report("a")
    run.news()
    run.report("b")
    assert run.desk.untold("a") == 6
    assert run.news() == {}
    run.report("a", 0, 1)
    run.desk.give_up("a")
    dealt = run.news()
    assert sorted(number for numbers in dealt.values() for number in numbers) == [2, 3, 4, 5]


def test_what_a_worker_that_was_given_up_had_fired_is_counted_and_told() -> None:
    run = Run()
    run.report("a")
    run.news()
    run.desk.give_up("a")
    run.report("b")
    dealt = run.news()
    for worker, numbers in dealt.items():
        run.report(worker, *numbers)
    run.report("a", 0)
    (line,) = run.desk.troubles()
    assert line.startswith("1 recorded arrivals were fired twice:")
