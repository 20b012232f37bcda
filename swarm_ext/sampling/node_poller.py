"""The greenlet that samples one node: asks its cAdvisor on a regular schedule, one request at a time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

import gevent
from gevent.event import Event
from gevent.lock import BoundedSemaphore

from swarm_ext.cadvisor import CAdvisor, CAdvisorError, ReplyTooLargeError
from swarm_ext.sampling.node_series import NodeSeries, Poll
from swarm_ext.sampling.ticks import next_tick
from swarm_ext.turns import let_others

if TYPE_CHECKING:
    from collections.abc import Callable

    from swarm_ext.model import Node
    from swarm_ext.sampling.node_series import Batch
    from swarm_ext.troubles import TroubleLog

RETRY_SECONDS = 10.0
"""What a cAdvisor does not give (its machine, its root) is asked for again so much later."""
OFF_BEAT = 0.95
"""Polls come a little more often than asked for. In step with the node's own measuring, each would find the newest
point equally old, and that age could not be told from an offset between the clocks."""

AnswerT = TypeVar("AnswerT")


class NodePoller:
    """Samples `node`, which must have a `cadvisor_url`, about every `interval_seconds` from `start` until `stop`.

    Polls are due on an absolute schedule; one that takes too long skips those that it made impossible, and what they
    would have brought comes later. A failure is counted and never raised, and it is none if `is_expected` then says that
    no cAdvisor should answer there any more. `deliver` gets each batch, in order.
    """

    def __init__(
        self,
        node: Node,
        series: NodeSeries,
        *,
        interval_seconds: float,
        timeout_seconds: tuple[float, float],
        deliver: Callable[[Batch], None],
        is_expected: Callable[[], bool],
        trouble_log: Callable[[str], TroubleLog],
    ) -> None:
        if node.cadvisor_url is None:
            raise ValueError(f"node {node.name!r} has no cadvisor_url; sample only nodes that have one")
        self.node = node
        self.series = series
        self._period_seconds = OFF_BEAT * interval_seconds
        self._whole_poll_seconds = 3 * sum(timeout_seconds)
        self._cadvisor = CAdvisor(node.cadvisor_url, timeout_seconds=timeout_seconds, let_others=let_others)
        self._deliver = deliver
        self._is_expected = is_expected
        self._trouble_log = trouble_log
        self._reachable = trouble_log(f"cAdvisor of {node.name}")
        self._retry_at: dict[str, float] = {}
        self._one_at_a_time = BoundedSemaphore()
        self._stopping = Event()
        self._greenlet: gevent.Greenlet | None = None

    def start(self) -> None:
        """Begin polling; if it has begun already, do nothing."""
        if self._greenlet is None:
            self._greenlet = gevent.spawn(self._run)

    def stop(self) -> gevent.Greenlet:
        """Ask for a last poll and the end; return the greenlet to wait for."""
        self._stopping.set()
        if self._greenlet is None:
            self._greenlet = gevent.spawn(self._cadvisor.close)
        return self._greenlet

    def poll(self) -> None:
        """Poll now, or as soon as the poll under way has ended."""
        with self._one_at_a_time, gevent.Timeout(self._whole_poll_seconds) as bound:
            try:
                batch = self._ask()
            except CAdvisorError as error:
                self._missed(str(error))
                if isinstance(error, ReplyTooLargeError):
                    self.series.give_up_backlog(time.monotonic())
                return
            except gevent.Timeout as timeout:
                if timeout is not bound:
                    raise
                self._missed(f"no poll was complete after {self._whole_poll_seconds:g} s")
                return
            self._reachable.succeeded()
        self._deliver(batch)

    def _run(self) -> None:
        try:
            tick = time.monotonic()
            while not self._stopping.is_set():
                self.poll()
                now = time.monotonic()
                tick = next_tick(tick, now, self._period_seconds)
                self._stopping.wait(tick - now)
            self.poll()
        finally:
            self._cadvisor.close()

    def _ask(self) -> Batch:
        query = self.series.query(time.monotonic())
        asked_at = time.time()
        reply = self._cadvisor.containers(query.since, points=query.points)
        received_at = self._cadvisor.received_at
        if self.series.machine is None:
            self.series.machine = self._optional("machine", self._cadvisor.machine)
        since, points = self.series.root_query(query)
        root = self._optional("whole machine", lambda: self._cadvisor.root(since, points=points))
        self._note_rejected(reply.rejected, len(reply.containers))
        poll = Poll(query, reply, root, asked_at, received_at, time.monotonic())
        batch = self.series.take(poll, let_others)
        let_others()
        return batch

    def _optional(self, what: str, ask: Callable[[], AnswerT]) -> AnswerT | None:
        if time.monotonic() < self._retry_at.get(what, 0.0):
            return None
        log = self._trouble_log(f"cAdvisor of {self.node.name}, {what}")
        try:
            answer = ask()
        except CAdvisorError as error:
            self._retry_at[what] = time.monotonic() + RETRY_SECONDS
            log.failed(str(error))
            return None
        log.succeeded()
        return answer

    def _note_rejected(self, rejected: tuple[str, ...], read: int) -> None:
        log = self._trouble_log(f"cAdvisor of {self.node.name}, containers")
        if rejected:
            log.failed(f"{len(rejected)} of {len(rejected) + read} cannot be read: {rejected[0]}")
        else:
            log.succeeded()

    def _missed(self, why: str) -> None:
        self.series.missed()
        if self._reachable.failing or self._is_expected():
            self._reachable.failed(why)
