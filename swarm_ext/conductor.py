"""One run, from its beginning to its end, on the master or in the local process.

Locust's hooks only signal and wait. What happens in a run happens in greenlets of the run's own, so that Locust, which
may kill the greenlet that fires a hook, cannot leave a run half ended. `stop_load` may be called by anybody and often:

    begin → (load) → drain → settle → last samples → replicas put back → run stored → summary, report
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Literal

import gevent
import msgspec
from gevent.event import Event

from swarm_ext.load import LoadMerger
from swarm_ext.model import PhaseSpan, Run, Trouble, from_epoch

if TYPE_CHECKING:
    from collections.abc import Callable

    from gevent import Greenlet

    from swarm_ext.asked import Asked
    from swarm_ext.load_source import LoadSource
    from swarm_ext.model import ArrivalCheck, LoadSample, Phase
    from swarm_ext.observation import Observation

logger = logging.getLogger(__name__)

TICK_SECONDS = 0.25
UNLIMITED_DRAIN_SECONDS = 30.0
"""How long a run that ends by itself waits for what is in flight when there is no --stop-timeout."""

ExitStatus = Literal["finished", "interrupted", "failed"]


class Conductor:
    """Runs one run.

    `stop_timeout` gives the seconds that what is in flight has when the run is stopped; `finish_locust` is called once if
    the run ends by itself, and makes Locust stop or quit; `on_end` is called when all is stored, before `ended`.
    """

    def __init__(
        self,
        run: Run,
        asked: Asked,
        load: LoadSource,
        observation: Observation,
        *,
        stop_timeout: Callable[[], float],
        finish_locust: Callable[[], None],
        on_end: Callable[[Run], None],
    ) -> None:
        self.run = run
        self._asked = asked
        self._chosen = asked.chosen
        self._load = load
        self._observation = observation
        self._stop_timeout = stop_timeout
        self._finish_locust = finish_locust
        self._on_end = on_end
        self._begun = time.monotonic()
        self._epoch = time.time() - self._begun
        self._asked_until = 0.0
        self._load_over: float | None = None
        self._deserted = False
        self._merger = LoadMerger(run.id, int(time.time()))
        self._ending: Greenlet | None = None
        self._ticker: Greenlet | None = None
        self._hurry = Event()
        self._opened = Event()
        self.drained = Event()
        self.ended = Event()

    @property
    def settle_seconds(self) -> float:
        """How long the run goes on after its load."""
        return self._chosen.settle

    # the beginning

    @property
    def is_beginning(self) -> bool:
        """Whether `begin` has not returned: it waits for those who generate the load."""
        return not self._opened.is_set()

    @property
    def is_ending(self) -> bool:
        """Whether somebody has ended the run."""
        return self._ending is not None

    def begin(self) -> None:
        """Begin the run: when this returns, users may be spawned. Raise UserError if there is nobody to generate load.

        A run that did not begin, because of that or because Locust killed this greenlet, has ended.
        """
        try:
            self._open()
        except BaseException:
            self.drained.set()
            self.ended.set()
            raise
        finally:
            self._opened.set()

    def _open(self) -> None:
        assert self.run.seed is not None  # noqa: S101 - for the type checker: the run was made with one
        self._load.on_stop_test = lambda reason: self._end_from_inside(f"a task raised StopTest: {reason}")
        self._begun = self._load.begin(self.run.id, self.run.seed, self._asked, self._merger)
        began = self._epoch + self._begun
        self._merger.skip_to(int(began))
        self.run = msgspec.structs.replace(
            self.run, start=from_epoch(began), workers=self._load.workers, phases=self._phases()
        )
        self._observation.begin(self.run)
        self._ticker = gevent.spawn(self._tick)

    def _now(self) -> float:
        """Seconds since the epoch, on a clock that nobody sets during the run."""
        return self._epoch + time.monotonic()

    def _phase(self, second: float) -> Phase:
        began = self._epoch + self._begun
        if self._load_over is not None and second >= self._load_over:
            return "settle"
        return "warm-up" if second < began + self._chosen.warm_up else "load"

    def _phases(self) -> tuple[PhaseSpan, ...]:
        began, over = self._epoch + self._begun, self._load_over
        warm = min(began + self._chosen.warm_up, over or float("inf"))
        spans: list[tuple[Phase, float, float | None]] = [("load", warm, over)]
        if self._chosen.warm_up:
            spans.insert(0, ("warm-up", began, warm))
        if over is not None and self._chosen.settle:
            spans.append(("settle", over, self._now()))
        return tuple(
            PhaseSpan(name=name, start=from_epoch(start), end=None if end is None else from_epoch(end))
            for name, start, end in spans
        )

    # the middle

    def _tick(self) -> None:
        while True:
            gevent.sleep(TICK_SECONDS)
            self._load.poll()
            self._emit(self._now(), self._load.names() if self._load_over is None else [])
            if self._ending is None:
                self._end_when_over()

    def _end_when_over(self) -> None:
        trace, over = self._asked.trace, time.monotonic() - self._begun >= self._asked.lasts_seconds
        if self._load.spent:
            what = f"{self._chosen.iter} arrivals of --iter" if trace is None else repr(trace)
            logger.info("All %s were offered", what)
            self._end_from_inside("")
        elif over and trace is None:
            logger.info("The rate profile has ended")
            self._end_from_inside("")
        elif over:
            self._end_from_inside(
                "not all recorded arrivals were fired: there was nobody to fire them in time"
            )

    def _emit(self, now: float, awaited: list[str]) -> None:
        self._hand_over(self._merger.samples(now, awaited, self._phase))

    def _hand_over(self, samples: list[LoadSample]) -> None:
        if samples:
            self._observation.load_samples([self._with_replay_rate(sample) for sample in samples])

    def _with_replay_rate(self, sample: LoadSample) -> LoadSample:
        """Let a sample tell the trace's rate at its second's end: workers know their share of the trace only."""
        second = sample.timestamp.timestamp() + 1 - self._epoch - self._begun
        rate = self._asked.replay_rate(second)
        return sample if rate is None else msgspec.structs.replace(sample, asked_rate=rate)

    # the end

    def _end_from_inside(self, reason: str) -> None:
        if self._ending is None:
            if reason:
                logger.warning("The run ends: %s", reason)
            self._ending = gevent.spawn(
                self._end, "finished", self._stop_timeout() or UNLIMITED_DRAIN_SECONDS
            )
            gevent.spawn(self._finish_when_drained)

    def _finish_when_drained(self) -> None:
        self.drained.wait()
        self._finish_locust()

    def stop_load(self, status: ExitStatus) -> None:
        """Begin to end the run, unless it is ending, and wait until its load has ended.

        One that Locust ends because no worker is left has *failed*: Locust goes on then, headless, without anything to do.
        """
        if self._ending is None:
            self._deserted = status == "finished" and self._opened.is_set() and not self._load.names()
            self._ending = gevent.spawn(
                self._end, "failed" if self._deserted else status, self._stop_timeout()
            )
            if self._deserted:
                gevent.spawn(self._finish_when_ended)
        self.drained.wait()

    def _finish_when_ended(self) -> None:
        self.ended.wait()
        self._finish_locust()

    def hurry(self) -> None:
        """Cut the settle phase short, and the drain to what --stop-timeout allows."""
        self._hurry.set()
        if self._ending is not None and not self.drained.is_set():
            gevent.spawn(self._load.drain, self._stop_timeout())

    def _end(self, status: ExitStatus, drain_seconds: float) -> None:
        self._load.hurry()
        self._opened.wait()  # a run that is ended while it begins has begun first: what it leaves is complete
        if self.ended.is_set():
            return
        self._asked_until = time.monotonic() - self._begun
        try:
            self._drain(drain_seconds)
            self._settle()
        finally:
            self.drained.set()
            try:
                self._conclude(status)
            finally:
                self.ended.set()

    def _drain(self, timeout_seconds: float) -> None:
        self._load.poll()  # who is gone by now is lost, and is told: after this nobody looks
        self._load.drain(timeout_seconds)
        self._load_over = self._now()
        self.drained.set()

    def _settle(self) -> None:
        if self._chosen.settle and not self._hurry.is_set():
            logger.info("Load has ended; settling for %g s (Ctrl-C cuts it short)", self._chosen.settle)
            self._hurry.wait(self._chosen.settle)

    def _conclude(self, status: ExitStatus) -> None:
        if self._ticker is not None:
            self._ticker.kill()
        self._hand_over(self._merger.rest(self._now(), self._phase))
        totals = self._merger.totals()
        self.run = msgspec.structs.replace(
            self.run,
            end=from_epoch(self._now()),
            phases=self._phases(),
            totals=totals,
            arrival_check=self._arrival_check(),
            worker_clocks=self._load.clock_offsets(),
            exit_status=status,
            troubles=tuple(Trouble(source="load", count=1, message=line) for line in self._troubles()),
        )
        self.run = self._observation.end(self.run)
        self._on_end(self.run)

    def _troubles(self) -> list[str]:
        deserted = "no worker was left to make load, so the run ended early: let workers run until it is over"
        return [*([deserted] if self._deserted else []), *self._load.troubles()]

    def _arrival_check(self) -> ArrivalCheck:
        """Return what the arrivals were against what was asked; of a replay, how many were due before it was ended."""
        check, due = self._load.arrival_check(), self._asked.replay_due(self._asked_until)
        return check if due is None else msgspec.structs.replace(check, expected=float(due))
