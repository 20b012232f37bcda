"""The master's desk for a replay: who is sent which recorded arrivals when a worker leaves."""

from __future__ import annotations

import time
from array import array

from swarm_ext.arrivals.trace import Trace
from swarm_ext.distributed.replay_desk import ReplayDesk
from swarm_ext.distributed.wire import Final, LoadReport, Portion, Recall
from swarm_ext.model import ArrivalCheck

LONG_AGO = 60.0
"""Seconds since the run began: all its arrivals are due."""


class Run:
    """A replay of six arrivals; `sent` is what each worker was sent since `news` was last asked."""

    def __init__(self) -> None:
        trace = Trace(array("d", range(6)), name="six.csv")
        self.sent: dict[str, list[int]] = {}
        self.desk = ReplayDesk(trace, "run", time.monotonic() - LONG_AGO, self._send)

    def _send(self, _kind: str, message: Portion | Recall, worker: str) -> None:
        assert isinstance(message, Portion)
        self.sent.setdefault(worker, []).extend(message.numbers)

    def report(self, worker: str) -> None:
        self.desk.report(worker, LoadReport(run_id="run", counts=[], now=0.0, streams=1))

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
