"""The worker's end of a distributed run: generates as the master says, and tells it what came of that."""

from __future__ import annotations

import logging
import sys
import time
from typing import TYPE_CHECKING, Any

import gevent
import msgspec
from gevent.event import Event
from gevent.lock import BoundedSemaphore
from locust.runners import STATE_INIT

from swarm_ext.distributed import wire
from swarm_ext.errors import UserError
from swarm_ext.generator import RunInfo
from swarm_ext.quota import Lease
from swarm_ext.replay_player import Recorded
from swarm_ext.settings import options_of, settings

if TYPE_CHECKING:
    from gevent import Greenlet
    from locust.env import Environment
    from locust.rpc import Message
    from locust.runners import WorkerRunner

    from swarm_ext.generator import Generator

logger = logging.getLogger(__name__)

REPORT_SECONDS = 0.5
REPORT_LATER_SECONDS = 0.02
"""A report goes out so long after a second's end, when that second is surely over."""

HELLO_SECONDS = 1.0
PATIENCE_HELLOS = 10
"""After so many unanswered introductions the worker says what may be wrong."""


def seconds_to_report(now: float) -> float:
    """Return how long to wait for the next report, from `now`, the instant on the clock by which seconds are counted.

    One report follows each second's end at once, so that a worker that is lost has never kept more than a second to itself.
    """
    return REPORT_SECONDS - (now - REPORT_LATER_SECONDS) % REPORT_SECONDS


class Worker:
    """Registers for the master's messages at once and never yields while it is made: an early one would be lost."""

    def __init__(self, environment: Environment, runner: WorkerRunner, generator: Generator) -> None:
        self._environment = environment
        self._runner = runner
        self._generator = generator
        self._run_id = ""
        self._reporter: Greenlet | None = None
        self._final_sent = True
        self._draining = BoundedSemaphore()
        self._welcomed = Event()
        self._begun: float | None = None
        self._ahead: float | None = None
        runner.register_message(wire.WELCOME, self._on_welcome)
        runner.register_message(wire.REFUSED, self._on_refused)
        runner.register_message(wire.GRANT, self._on_grant)
        runner.register_message(wire.RECALL, self._on_recall)
        runner.register_message(wire.HEARD, self._on_heard)
        runner.register_message(wire.PORTION, self._on_portion)
        runner.register_message(wire.CLOCK, self._on_clock)
        runner.register_message(wire.DRAIN, self._on_drain, concurrent=True)
        generator.on_stop_test = self._on_stop_test
        generator.on_no_streams = self._give_back
        environment.events.test_start.add_listener(self._on_test_start)
        environment.events.test_stopping.add_listener(self._on_test_stopping)
        environment.events.quitting.add_listener(self._on_test_stopping)
        self._introduction = wire.hello(environment)
        self._send(
            wire.HELLO, self._introduction
        )  # before all else: the master hears nobody whom it does not know
        if runner.worker_state != STATE_INIT:
            self._on_test_start()  # the first users came while this was still being set up
        gevent.spawn(self._introduce)

    # before a run

    def _introduce(self) -> None:
        for attempt in range(1, 3600):
            if self._welcomed.wait(HELLO_SECONDS):
                return
            self._send(wire.HELLO, self._introduction)
            if attempt == PATIENCE_HELLOS:
                logger.warning(
                    "The master does not answer swarm_ext: does its locustfile import swarm_ext.plugin?"
                )

    def _on_welcome(self, **_: Any) -> None:
        self._welcomed.set()

    def _on_refused(self, msg: Message, **_: Any) -> None:
        if self._welcomed.is_set():
            return
        self._welcomed.set()
        sys.stderr.write(
            f"locust: error: refused by the master: {wire.decode(msg.data, wire.Refusal).reason}\n"
        )
        self._environment.process_exit_code = 1
        gevent.spawn(self._runner.quit)

    def _on_clock(self, msg: Message, **_: Any) -> None:
        question = wire.decode(msg.data, wire.ClockQuestion)
        reply = wire.ClockReply(
            asked=question.asked, monotonic=time.monotonic(), now=self._generator.recorder.now
        )
        self._send(wire.CLOCK_REPLY, reply)
        if question.ahead is not None:
            self._ahead = question.ahead
            if self._begun is not None:
                self._generator.begun_at(self._begun + self._ahead)

    # a run

    def _on_test_start(self, **_: Any) -> None:
        # taken out, so that users who come without a run of their own (after its end) are not given the last one
        raw = vars(options_of(self._environment)).pop(wire.RUN_KEY, None)
        if raw is None:
            logger.error("This worker was given users without a run, so it makes no load: the run has ended, "
                         "or the master's locustfile does not import swarm_ext.plugin")  # fmt: skip
            self._generator.drain(0)
            return
        try:
            run = msgspec.convert(raw, wire.Assignment)
            chosen = settings(options_of(self._environment))
        except UserError as error:
            # the master has checked the same options: only a mixed installation comes here
            logger.error("%s", error)  # noqa: TRY400 - a person's mistake needs no traceback
            self._environment.process_exit_code = 2
            self._generator.drain(0)
            return
        first, stride = run.streams.get(self._runner.client_id, (0, 1))
        self._run_id = run.id
        self._final_sent = False
        lease = Lease(ask=self._ask) if run.limited else Lease()
        self._begun = run.begun
        self._generator.begin(
            RunInfo(id=run.id, seed=run.seed, first_stream=first, stride=stride),
            chosen,
            lease,
            origin=None if self._ahead is None else run.begun + self._ahead,
        )
        if self._reporter is not None:
            self._reporter.kill(block=False)
        self._reporter = gevent.spawn(self._report)

    def _report(self) -> None:
        """Tell the master what came of the load; with nothing to tell, the clock alone, so that it knows our offset."""
        while True:
            recorder, player = self._generator.recorder, self._generator.player
            report = wire.LoadReport(
                run_id=self._run_id,
                told_at=time.monotonic(),
                counts=recorder.take_closed(),
                now=recorder.now,
                streams=self._generator.streams,
                fired=player.news(),
                term=player.term,
            )
            self._send(wire.LOAD, report)
            gevent.sleep(seconds_to_report(recorder.now))

    def _ask(self, wanted: int) -> None:
        returned = self._generator.lease.returned
        self._send(wire.LEASE, wire.LeaseRequest(run_id=self._run_id, wanted=wanted, returned=returned))

    def _give_back(self) -> None:
        self._generator.player.give_back()
        if self._generator.lease.give_back():
            self._ask(0)

    def _on_grant(self, msg: Message, **_: Any) -> None:
        grant = wire.decode(msg.data, wire.Grant)
        if grant.run_id != self._run_id:
            return
        lease = self._generator.lease
        lease.grant(grant.arrivals, exhausted=grant.exhausted)
        if not self._runner.user_count:
            self._give_back()
        elif lease.spent:
            self._generator.stop_scheduling()
        else:
            self._generator.resume_scheduling()

    def _on_heard(self, msg: Message, **_: Any) -> None:
        heard = wire.decode(msg.data, wire.Heard)
        if heard.run_id == self._run_id:
            self._generator.lease.keep(heard.told_at)
            self._generator.player.keep(heard.told_at)

    def _on_portion(self, msg: Message, **_: Any) -> None:
        portion = wire.decode(msg.data, wire.Portion)
        if portion.run_id == self._run_id:
            self._generator.player.put(map(Recorded, portion.instants, portion.numbers), portion.term)

    def _on_recall(self, msg: Message, **_: Any) -> None:
        if wire.decode(msg.data, wire.Recall).run_id == self._run_id:
            self._give_back()

    def _on_stop_test(self, reason: str) -> None:
        self._send(wire.STOP_TEST, wire.StopRequest(run_id=self._run_id, reason=reason))

    # the end of a run

    def _on_drain(self, msg: Message, **_: Any) -> None:
        drain = wire.decode(msg.data, wire.Drain)
        if drain.run_id == self._run_id:
            self._finish(drain.timeout_seconds)

    def _on_test_stopping(self, **_: Any) -> None:
        self._finish(self._environment.stop_timeout)

    def _finish(self, timeout_seconds: float) -> None:
        """Drain; then the last statistics to Locust's master, and our final after them, once a run."""
        self._generator.drain(timeout_seconds)
        with self._draining:
            if self._final_sent:
                return
            self._final_sent = True
            vars(options_of(self._environment)).pop(wire.RUN_KEY, None)  # every spawn message brought it anew
            if self._reporter is not None:
                self._reporter.kill(block=False)
                self._reporter = None
            self._runner._send_stats()  # noqa: SLF001 - Locust's master must have them before it prints its table
            final = wire.Final(
                run_id=self._run_id,
                now=self._generator.recorder.now,
                counts=self._generator.recorder.take_all(),
                fired=self._generator.player.news(),
                arrival_check=self._generator.arrival_check(),
            )
            self._send(wire.FINAL, final)

    def _send(self, kind: str, message: msgspec.Struct) -> None:
        data: Any = wire.encode(message)  # Locust says dict; it carries whatever MessagePack does
        self._runner.send_message(kind, data)
