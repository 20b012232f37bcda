"""The generating side of a process: its streams, its arrivals in flight, and what it counts of them.

There is one `Generator` in each process that has users (the local process, or a worker). Users open streams at it and
fire arrivals through it; the run's conductor, or the master by messages, begins and drains it.

Arrivals in flight are run by one crew of this process, not with their user: a user that is removed takes its stream away
at once, while its requests end by themselves. When the run ends, `drain` stops every schedule, gives what is in flight
its time, and abandons the rest. After it every arrival offered is accounted for.
"""

from __future__ import annotations

import logging
import math
import time
from collections import Counter
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import gevent
import msgspec
from gevent.event import Event
from locust.exception import StopTest

from swarm_ext import garbage, turns
from swarm_ext.arrival import Arrival
from swarm_ext.arrivals.check import ArrivalChecker, merge
from swarm_ext.crew import Crew
from swarm_ext.load import LoadRecorder
from swarm_ext.model import ArrivalCheck
from swarm_ext.quota import Lease
from swarm_ext.replay_player import Player
from swarm_ext.settings import options_of, settings
from swarm_ext.stream import Stream

if TYPE_CHECKING:
    from collections.abc import Callable

    from locust.env import Environment

    from swarm_ext.arrivals import PointProcess
    from swarm_ext.client import Sessions
    from swarm_ext.settings import Settings

logger = logging.getLogger(__name__)

ORIGIN_SECONDS = 5.0
"""How long a stream waits to be told when the run began."""

KILL_SECONDS = 2.0
"""How long abandoned arrivals may take to notice that they were killed."""


IDLE_SECONDS = 0.05
"""How long a stream rests at least that has nothing to offer."""


class RunInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What a generating process knows of a run. Its streams are numbered first, and so on by stride."""

    id: str
    seed: int
    first_stream: int = 0
    stride: int = 1


class Generator:
    """Everything that this process generates, one run after the other. Outside a run it generates nothing."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self._request_event = environment.events.request
        self.on_stop_test: Callable[[str], None] = lambda _reason: None
        self.on_no_streams: Callable[[], None] = lambda: None
        self.pools: dict[object, Sessions] = {}
        self._crew = Crew()
        self._resumed = Event()
        self._stopped = Event()
        self._origin: float | None = None
        self._origin_known = Event()
        self._reset(RunInfo(id="", seed=0), None, Lease())
        self._drained = True
        self.scheduling = False

    def _reset(self, info: RunInfo, chosen: Settings | None, lease: Lease) -> None:
        self._settings = chosen
        self._max_in_flight = math.inf if chosen is None else chosen.max_in_flight
        self._info = info
        self._arrivals: set[Arrival] = set()
        self._streams: set[Stream] = set()
        self.open_rate = 0.0
        self._checkers: dict[PointProcess, ArrivalChecker] = {}
        self._processes: Counter[PointProcess] = Counter()
        self._opened = 0
        self._begun = time.monotonic()
        self._drained = False
        self.scheduling = True
        self.lease = lease
        self.player = Player()
        self.recorder = LoadRecorder(time.monotonic, self._gauges, epoch=time.time() - time.monotonic())

    def begin(self, info: RunInfo, chosen: Settings, lease: Lease, *, origin: float | None = None) -> None:
        """Begin a run: count from zero. What an earlier run left in flight is abandoned.

        `origin` is when the run began, in this process's monotonic seconds; None: `begun_at` will tell.
        """
        self.drain(0)
        garbage.set_aside()
        turns.keep_short()
        self._reset(info, chosen, lease)
        self._origin = None
        self._origin_known.clear()
        if origin is not None:
            self.begun_at(origin)
        self._stopped.clear()
        self._resumed.set()  # users may be there already: Locust gives them to a worker before its set-up has ended

    def begun_at(self, origin: float) -> None:
        """Take when the run began, in monotonic seconds of this process; only the first word of it counts."""
        if self._origin is None:
            self._origin = origin
            self._origin_known.set()

    def origin(self) -> float:
        """Return when the run began, in monotonic seconds; wait if it is not known yet, for some seconds at most."""
        if not self.scheduling:
            return self._begun
        if not self._origin_known.wait(ORIGIN_SECONDS):
            logger.warning(
                "The master's clock is not known: this process counts from when it was told to begin"
            )
            self.begun_at(self._begun)
        return self._begun if self._origin is None else self._origin

    @property
    def settings(self) -> Settings:
        """The run's settings; before any run, those of the command line."""
        if self._settings is None:
            self._settings = settings(options_of(self.environment))
        return self._settings

    @property
    def rate(self) -> float | None:
        """The sum of the streams' arrival rates [1/s]; None when none of them has a process (closed-loop load)."""
        if not self.scheduling:
            return 0.0
        closed_loop = self._streams and not any(stream.process is not None for stream in self._streams)
        return None if closed_loop else self.open_rate

    @property
    def streams(self) -> int:
        """How many streams there are."""
        return len(self._streams)

    @property
    def measured_rate(self) -> float:
        """Arrivals offered per second so far in this run."""
        return self.recorder.offered / max(1.0, time.monotonic() - self._begun)

    def open_stream(self, process: PointProcess | None) -> Stream:
        """Begin a stream of a user; None: its arrivals follow no process (closed-loop load)."""
        origin = self.origin()
        number = self._info.first_stream + self._opened * self._info.stride
        self._opened += 1
        checker = None
        if process is not None:
            if process not in self._checkers:
                self._checkers[process] = ArrivalChecker(process)
            checker = self._checkers[process]
            self._processes[process] += 1
        stream = Stream(number, self._info.seed, process, checker, origin)
        self._streams.add(stream)
        self._sum_rates()
        return stream

    def close_stream(self, stream: Stream) -> None:
        """End a stream: its user was removed, or the run has ended."""
        stream.end()
        if stream in self._streams:  # else it is a stream of a run that is over
            self._streams.remove(stream)
            if stream.process is not None:
                self._processes[stream.process] -= 1
            self._sum_rates()
        if not self._streams:
            self.on_no_streams()

    def _sum_rates(self, now: float | None = None) -> None:
        """Sum the rates [1/s] when streams come and go, and every second: at each arrival it would cost too much."""
        now = time.monotonic() if now is None else now
        second = now - (self._begun if self._origin is None else self._origin)
        self.open_rate = math.fsum(n * process.rate_at(second) for process, n in self._processes.items() if n)

    def fire(
        self, stream: Stream, due: float | None, run: Callable[..., None], *arguments: object
    ) -> Arrival | None:
        """Offer an arrival that is due at `due` (monotonic seconds; None: closed loop) and start `run(arrival, …)`.

        Return None if it was dropped, because `--max-in-flight` arrivals are under way; closed-loop load is bounded by its
        users already.
        """
        now = time.monotonic()
        stream.arrived(now)
        arrival = None
        if due is not None and len(self._arrivals) >= self._max_in_flight:
            self.recorder.dropped(now)
        else:
            self.recorder.started(now)
            arrival = Arrival(due, self.recorder, self._request_event, self._arrivals.discard)
            self._arrivals.add(arrival)
            self._crew.start(run, arrival, *arguments)
        if self.lease.spent:
            self.stop_scheduling()
        return arrival

    def stop_scheduling(self) -> None:
        """Offer nothing more from now on: streams end, their users stay."""
        if self.scheduling:
            self.scheduling = False
            self._resumed.clear()
            self._stopped.set()
            for stream in self._streams:
                stream.end()

    def resume_scheduling(self) -> None:
        """Offer again: arrivals that another worker did not make were dealt anew. Nothing resumes a drained run."""
        if not self._drained:
            self.scheduling = True
            self._stopped.clear()
            self._resumed.set()

    def wait_until_stopped(self) -> None:
        """Wait until every schedule is stopped: a stream whose process has ended has nothing more to offer."""
        self._stopped.wait()

    def wait_until_resumed(self) -> None:
        """Wait until there is something to offer again: for good, mostly, and Locust removes the user meanwhile."""
        gevent.sleep(IDLE_SECONDS)
        self._resumed.wait()

    def drain(self, timeout_seconds: float) -> None:
        """Stop every schedule, wait for what is in flight, abandon the rest. A second call may shorten the first's wait."""
        self._drained = True
        self.stop_scheduling()
        self._crew.join(timeout_seconds)
        rest = list(self._arrivals)
        for arrival in rest:
            arrival.end("abandoned")
        self._crew.disband(KILL_SECONDS)
        for pool in self.pools.values():
            pool.close()
        self.pools.clear()

    def arrival_check(self) -> ArrivalCheck:
        """Return what the measured gaps say, over all streams so far."""
        checks = [checker.snapshot() for checker in self._checkers.values()]
        checks = [check for check in checks if check.expected is not None]
        return (
            merge(checks)
            if checks
            else ArrivalCheck(observed=self.recorder.offered, expected=None, uniforms=None)
        )

    def _gauges(self, at: float) -> tuple[int, float | None]:
        self._sum_rates(at)
        runner = self.environment.runner
        return runner.user_count if runner is not None else len(self._streams), self.rate


_generators: WeakKeyDictionary[Environment, Generator] = WeakKeyDictionary()
_plugins: list[str] = []


def provide(plugin: str) -> None:
    """Let every environment have a generator; `plugin` is the module that wires it to Locust."""
    _plugins.append(plugin)


def generator_of(environment: Environment) -> Generator:
    """Return the generator of an environment; end Locust, by StopTest, if the plugin was not imported."""
    if environment in _generators:
        return _generators[environment]
    if not _plugins:
        environment.process_exit_code = 2
        raise StopTest(
            "swarm_ext's users need its plugin: add the line `import swarm_ext.plugin` to the locustfile"
        )
    generator = _generators[environment] = Generator(environment)
    return generator
