"""The master's end of a distributed run: the workers, as one source of load."""

from __future__ import annotations

import logging
import math
import time
from typing import TYPE_CHECKING, Any

import gevent
import msgspec
from gevent.event import Event
from locust.runners import STATE_RUNNING

from swarm_ext.arrivals.check import merge
from swarm_ext.distributed import wire
from swarm_ext.distributed.admission import Admission
from swarm_ext.distributed.clock_desk import ClockDesk
from swarm_ext.distributed.lease_desk import LeaseDesk
from swarm_ext.distributed.replay_desk import UNREPORTED_SECONDS, ReplayDesk
from swarm_ext.distributed.roll import Roll
from swarm_ext.model import ArrivalCheck
from swarm_ext.settings import options_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from locust.env import Environment
    from locust.rpc import Message
    from locust.runners import MasterRunner

    from swarm_ext.asked import Asked
    from swarm_ext.load import LoadCounts, LoadMerger

logger = logging.getLogger(__name__)

FINAL_SECONDS = 5.0
"""How long beyond the drain's own time the master waits for a worker's last figures."""

LATE_STREAMS = 1_000_000
"""Streams of workers that join during a run are numbered from multiples of this."""


class Fleet:
    """The workers of a master. Message handlers never wait: they run in the greenlet that reads all messages."""

    def __init__(self, environment: Environment, runner: MasterRunner, *, same_machine: bool) -> None:
        self._environment = environment
        self._runner = runner
        self._assignment: wire.Assignment | None = None
        self._merger: LoadMerger | None = None
        self._finals: dict[str, ArrivalCheck] = {}
        self._unbalanced = False
        self._rates: dict[str, float] = {}
        self._leases: LeaseDesk | None = None
        self._replay: ReplayDesk | None = None
        self._desk = ClockDesk(self._send)
        self._begun = time.monotonic()
        self._epoch = time.time() - self._begun
        self._roll = Roll(self._begun)
        self._troubles: list[str] = []
        self._heard = Event()
        self.on_stop_test: Callable[[str], None] = lambda _reason: None
        for kind, listener in (
            (wire.LOAD, self._on_load),
            (wire.LEASE, self._on_lease),
            (wire.CLOCK_REPLY, self._on_clock_reply),
            (wire.FINAL, self._on_final),
            (wire.STOP_TEST, self._on_stop_test),
        ):
            runner.register_message(kind, listener)
        self._admission = Admission(
            environment,
            runner,
            same_machine=same_machine,
            on_admitted=self._desk.ask,
            on_refused=self._on_refused,
        )
        environment.events.worker_connect.add_listener(self._on_worker_connect)

    # workers

    def _on_refused(self, worker: str, reason: str) -> None:
        when = "" if self._assignment is None else f" {time.monotonic() - self._begun:.0f} s into the run"
        self._troubles.append(f"worker {worker} was refused{when}, and its load is not counted: {reason}")
        self._unbalanced = True

    def _on_clock_reply(self, msg: Message, **_: Any) -> None:
        self._desk.reply(msg.node_id, wire.decode(msg.data, wire.ClockReply))

    def _on_worker_connect(self, client_id: str, **_: Any) -> None:
        """Tell a worker that joins during a run which streams are its own, before Locust gives it users."""
        if self._assignment is not None and client_id not in self._assignment.streams:
            late = len(self._assignment.streams) + 1
            self._assignment.streams[client_id] = (late * LATE_STREAMS, 1)
            self._publish()

    def names(self) -> list[str]:
        """Return the ids of the workers that are alive and take part."""
        return self._admission.names()

    @property
    def workers(self) -> int:
        """Return how many workers are alive and take part."""
        return len(self.names())

    # a run

    def begin(self, run_id: str, seed: int, asked: Asked, merger: LoadMerger) -> float:
        """Begin a run: wait until it is known which workers take part, then number the streams; raise UserError if none does.

        A run that is ended during that has no streams.
        """
        self._troubles, self._rates, self._roll = [], {}, Roll(time.monotonic())
        gathered = self._admission.gather()
        self._unbalanced = False
        workers = sorted(self.names())
        self._begun = time.monotonic()
        self._epoch = time.time() - self._begun
        self._roll = Roll(self._begun, workers)
        self._desk.begin(self._epoch)
        for worker in workers:
            self._desk.ask(worker)
        self._finals = {}
        self._merger, self._leases, self._replay = merger, None, None
        if not gathered:
            silent = ", ".join(self._admission.unknown())
            remedy = f"{silent}; stop those without swarm_ext" if silent else "there was none; start one"
            self._trouble(f"the run was ended while it waited for workers to say who they are: {remedy}")
            return self._begun
        limit = asked.chosen.iter if asked.trace is None else None  # of a trace there are only so many anyway
        self._leases = None if limit is None else LeaseDesk(limit, run_id, merger, self.names, self._send)
        self._replay = (
            None if asked.trace is None else ReplayDesk(asked.trace, run_id, self._begun, self._send)
        )
        self._assignment = wire.Assignment(
            id=run_id,
            seed=seed,
            begun=self._begun,
            limited=limit is not None,
            streams={worker: (index, len(workers)) for index, worker in enumerate(workers)},
        )
        self._publish()
        return self._begun

    def _publish(self) -> None:
        """Let the assignment travel in Locust's next spawn messages."""
        setattr(options_of(self._environment), wire.RUN_KEY, msgspec.to_builtins(self._assignment))

    def poll(self) -> None:
        """Notice workers that are gone, deal what they had and did not use to the others, and notice who is back."""
        if self._assignment is None:
            return
        alive = set(self.names())
        self._roll.enter(alive)
        for worker in alive & self._roll.lost:
            self._find(worker)
            self._unbalanced = True
        if self._unbalanced and self._runner.state == STATE_RUNNING and self._runner.spawning_completed:
            self._unbalanced = False
            gevent.spawn(self._rebalance)
        for worker in self._roll.missing(alive) - set(self._finals):
            self._lose(worker)
        for worker in self._roll.given_up(time.monotonic()):
            self._give_up(worker)
        if self._leases is not None:
            self._leases.recall_excess(alive)
        self._desk.ask_again(alive)
        if self._replay is not None:
            self._replay.deal(alive - self._roll.lost)

    def _lose(self, worker: str) -> None:
        if worker not in self._roll.lost:
            logger.warning("%s", self._roll.lose(worker, time.monotonic(), self._uncertain(worker)))

    def _give_up(self, worker: str) -> None:
        """Let others, if there are any, have what a lost worker was dealt; again when it may have told more."""
        if self._leases is not None:
            self._leases.lose(worker)
        if self._replay is not None:
            self._replay.give_up(worker)
        dealt = self._leases is not None or self._replay is not None
        if dealt and set(self.names()) - set(self._finals):
            self._roll.make_up_for(worker)

    def _uncertain(self, worker: str) -> str:
        """Return what is not known of a lost worker's arrivals, in words."""
        if self._replay is not None:
            untold = f"about {self._replay.untold(worker)}"
        elif self._leases is not None:
            untold = f"at most {self._leases.untold(worker)}"
        else:
            untold = f"about {math.ceil(self._rates.get(worker, 0.0) * UNREPORTED_SECONDS)}"
        return f"its arrivals of the last second before that are uncertain ({untold}): not counted"

    def _find(self, worker: str) -> None:
        self._trouble(self._roll.find(worker, time.monotonic()))
        if self._leases is not None:
            self._leases.find(worker)

    def _rebalance(self) -> None:
        """Let Locust spread its users anew after a worker came back with those that others were given meanwhile.

        Locust does so by itself only where nothing was spread since the run began; else there would be too many from then on.
        """
        if self._assignment is not None and self._runner.state == STATE_RUNNING:
            self._runner.start(self._runner.target_user_count, self._runner.spawn_rate)

    @property
    def spent(self) -> bool:
        """Whether all arrivals that the run may make were offered."""
        if self._replay is not None:
            return self._replay.done
        return self._leases is not None and self._leases.done

    def clock_offsets(self) -> dict[str, float]:
        """Return by how many seconds each worker's clock is ahead of ours, in this run or the last."""
        return self._desk.run_clocks.offsets()

    def _on_load(self, msg: Message, **_: Any) -> None:
        report = wire.decode(msg.data, wire.LoadReport)
        if self._is_current(msg, report.run_id):
            self._roll.hear(msg.node_id, time.monotonic())
            self._count(msg.node_id, report.now, report.counts)
            if self._replay is not None:
                self._replay.report(msg.node_id, report)
            self._send(wire.HEARD, wire.Heard(run_id=report.run_id, told_at=report.told_at), msg.node_id)

    def _count(self, worker: str, its_now: float, counts: list[LoadCounts]) -> None:
        """Take what a worker counted, and what its clock said when it told so."""
        clocks = self._desk.run_clocks
        clocks.observe(worker, stamped=its_now, received=self._epoch + time.monotonic())
        if counts and self._merger is not None:
            self._rates[worker] = max(count.offered for count in counts)
            self._merger.add(worker, counts, seconds_ahead=clocks.seconds_ahead(worker))

    def _on_lease(self, msg: Message, **_: Any) -> None:
        request = wire.decode(msg.data, wire.LeaseRequest)
        if self._leases is None or not self._is_current(msg, request.run_id):
            return
        self._leases.give_back(msg.node_id, request.returned)
        is_lost = msg.node_id in self._roll.lost
        if request.wanted and not is_lost:  # a lost one is answered when it is found
            self._leases.deal(msg.node_id, request.wanted)

    def _on_stop_test(self, msg: Message, **_: Any) -> None:
        request = wire.decode(msg.data, wire.StopRequest)
        if self._is_current(msg, request.run_id):
            self.on_stop_test(request.reason)

    # the end of a run

    def hurry(self) -> None:
        """Let a run that is beginning wait no longer for workers: it is to end."""
        self._admission.hurry()

    def drain(self, timeout_seconds: float) -> None:
        """End the load on every worker, and wait for the last figures of each that is alive."""
        if self._assignment is None:
            return
        order = wire.Drain(run_id=self._assignment.id, timeout_seconds=timeout_seconds)
        waiting = set(self.names())
        for worker in waiting:
            self._send(wire.DRAIN, order, worker)
        deadline = time.monotonic() + timeout_seconds + FINAL_SECONDS
        while time.monotonic() < deadline:
            waiting &= set(self.names()) | set(self._finals)
            if waiting <= set(self._finals):
                break
            self._heard.clear()
            self._heard.wait(0.1)
        for worker in sorted(waiting - set(self._finals)):
            self._trouble(f"worker {worker} did not send its last figures in time")
        for worker in self._roll.missing(set(self.names())) - set(self._finals):
            self._lose(worker)
        excess = None if self._leases is None else self._leases.excess()
        if excess is not None:
            self._trouble(excess)
        self._assignment = None
        if hasattr(options_of(self._environment), wire.RUN_KEY):
            delattr(options_of(self._environment), wire.RUN_KEY)

    def _on_final(self, msg: Message, **_: Any) -> None:
        final = wire.decode(msg.data, wire.Final)
        if self._is_current(msg, final.run_id):
            self._count(msg.node_id, final.now, final.counts)
            if self._replay is not None:
                self._replay.final(msg.node_id, final)
            if msg.node_id in self._roll.lost:
                self._find(msg.node_id)
            self._finals[msg.node_id] = final.arrival_check
            self._heard.set()

    def arrival_check(self) -> ArrivalCheck:
        """Return what the measured gaps say, over all workers that sent their last figures; of a replay, what was fired."""
        if self._replay is not None:
            return ArrivalCheck(observed=self._replay.fired, expected=None, uniforms=None)
        checks = list(self._finals.values())
        exact = [check for check in checks if check.expected is not None]
        if exact:
            return merge(exact)
        return ArrivalCheck(observed=sum(check.observed for check in checks), expected=None, uniforms=None)

    def troubles(self) -> list[str]:
        """Return what went wrong among the workers."""
        replay = [] if self._replay is None else self._replay.troubles()
        return [*self._troubles, *self._roll.losses(), *replay]

    def _trouble(self, line: str) -> None:
        logger.warning("%s", line)
        self._troubles.append(line)

    def _is_current(self, msg: Message, run_id: str) -> bool:
        """Whether a message is about the run under way, and from one that takes part: what others make counts nothing."""
        admitted = self._admission.is_admitted(msg.node_id)
        return admitted and self._assignment is not None and run_id == self._assignment.id

    def _send(self, kind: str, message: msgspec.Struct, worker: str) -> None:
        data: Any = wire.encode(message)  # Locust says dict; it carries whatever MessagePack does
        self._runner.send_message(kind, data, client_id=worker)
