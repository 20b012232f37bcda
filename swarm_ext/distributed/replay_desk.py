"""The master's end of a replay: sends recorded arrivals to workers a little ahead of time, and keeps account of them."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

from swarm_ext.distributed import wire
from swarm_ext.load_source import horizon, recorded
from swarm_ext.replay_dealer import Dealer

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from swarm_ext.arrivals.trace import Trace

SILENT_SECONDS = 1.5
"""A worker that has not reported for so long gets no more arrivals until it does."""

UNREPORTED_SECONDS = 1.0
"""How long after its last report a worker may have fired arrivals without telling: reports come twice a second."""


class ReplayDesk:
    """One run's replay. `begun` is when the run began, monotonic; `send(kind, message, worker)` must not wait."""

    def __init__(
        self,
        trace: Trace,
        run_id: str,
        begun: float,
        send: Callable[[str, wire.Portion, str], None],
    ) -> None:
        self._dealer = Dealer(trace)
        self._run_id = run_id
        self._begun = begun
        self._send = send
        self._streams: dict[str, int] = {}
        self._heard: dict[str, float] = {}
        self._terms: Counter[str] = Counter()

    @property
    def done(self) -> bool:
        """Whether every recorded arrival was fired."""
        return self._dealer.done

    @property
    def fired(self) -> int:
        """How many recorded arrivals were fired, each counted once."""
        return self._dealer.fired_once

    def report(self, worker: str, report: wire.LoadReport) -> None:
        """Take what a worker says of its arrivals, and of its streams: at a new term it has given back all but those fired."""
        self._heard[worker] = time.monotonic()
        self._streams[worker] = report.streams
        self._dealer.fired(worker, report.fired)
        if report.term != self._terms[worker]:
            self._terms[worker] = report.term
            self._dealer.take_back(worker)

    def final(self, worker: str, final: wire.Final) -> None:
        """Take what a worker fired at last; what it had beyond that others get, if it left before the run is over."""
        self._dealer.fired(worker, final.fired)
        self.give_up(worker)
        self._streams.pop(worker, None)

    def deal(self, alive: Collection[str]) -> None:
        """Send what is due soon to those workers that report, in proportion to their streams."""
        now = time.monotonic()
        present = {
            worker: streams
            for worker, streams in self._streams.items()
            if worker in alive and now - self._heard[worker] < SILENT_SECONDS
        }
        for worker, numbers in self._dealer.deal(horizon(now - self._begun), present).items():
            portion = wire.Portion(
                run_id=self._run_id,
                term=self._terms[worker],
                numbers=numbers,
                instants=[arrival.instant for arrival in recorded(self._dealer, numbers)],
            )
            self._send(wire.PORTION, portion, worker)

    def untold(self, worker: str) -> int:
        """Return how many arrivals a lost worker may have fired without telling."""
        heard = self._heard.get(worker, self._begun) - self._begun
        held = recorded(self._dealer, self._dealer.held(worker))
        return sum(arrival.instant <= heard + UNREPORTED_SECONDS for arrival in held)

    def give_up(self, worker: str) -> None:
        """Deal to others what a lost worker had, which has surely lapsed."""
        self._dealer.take_back(worker)

    def troubles(self) -> list[str]:
        """Return what went wrong, a line each."""
        again = self._dealer.fired_again
        if not again:
            return []
        return [
            f"{again} recorded arrivals were fired twice: a worker that was given up came back and had fired them, too"
        ]
