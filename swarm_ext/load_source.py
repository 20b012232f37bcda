"""Where a run's load comes from: here, this process's own generator; `fleet` is the same for workers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from swarm_ext.asked import REPLAY_LEAD_SECONDS
from swarm_ext.generator import RunInfo
from swarm_ext.quota import Lease
from swarm_ext.replay_dealer import Dealer
from swarm_ext.replay_player import Recorded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from swarm_ext.asked import Asked
    from swarm_ext.generator import Generator
    from swarm_ext.load import LoadMerger
    from swarm_ext.model import ArrivalCheck

DEALT_AHEAD_SECONDS = 2.0
"""So long before it is due a recorded arrival is dealt: it has to reach a worker, also over a slow network."""


def horizon(second: float) -> float:
    """Return up to which second of the trace a replay is dealt, so many seconds after the run's beginning."""
    return second - REPLAY_LEAD_SECONDS + DEALT_AHEAD_SECONDS


def recorded(dealer: Dealer, numbers: Iterable[int]) -> list[Recorded]:
    """Return recorded arrivals by their numbers, with their instants in seconds since the run began."""
    return [Recorded(dealer.instant(number) + REPLAY_LEAD_SECONDS, number) for number in numbers]


class LoadSource(Protocol):
    """What a run's conductor asks of those who generate its load."""

    on_stop_test: Callable[[str], None]

    @property
    def workers(self) -> int:
        """How many workers generate; 0: this process does."""
        ...

    def begin(self, run_id: str, seed: int, asked: Asked, merger: LoadMerger) -> float:
        """Begin a run, whose seconds go to `merger`; return when it began, in monotonic seconds.

        May wait for workers to say who they are; raise UserError if no worker takes part.
        """
        ...

    def hurry(self) -> None:
        """Let `begin`, if it waits, wait no longer: the run is to end."""
        ...

    def poll(self) -> None:
        """Bring the merger up to date."""
        ...

    def names(self) -> list[str]:
        """Return the generating processes that are alive, by the names under which their seconds come."""
        ...

    @property
    def spent(self) -> bool:
        """Whether all arrivals that the run may make were offered."""
        ...

    def drain(self, timeout_seconds: float) -> None:
        """End the load: stop schedules, wait for what is in flight, abandon the rest, collect the last figures."""
        ...

    def arrival_check(self) -> ArrivalCheck:
        """Return what the measured gaps say, after draining."""
        ...

    def clock_offsets(self) -> dict[str, float]:
        """Return by how many seconds the clock of each worker is ahead of ours."""
        ...

    def troubles(self) -> list[str]:
        """Return what went wrong among the generating processes, a line each."""
        ...


class LocalLoad:
    """The load of the local process."""

    def __init__(self, generator: Generator) -> None:
        self._generator = generator
        self._merger: LoadMerger | None = None
        self._dealer: Dealer | None = None
        self._begun = 0.0
        self.on_stop_test: Callable[[str], None] = lambda _reason: None

    @property
    def workers(self) -> int:
        """Return 0: there are none."""
        return 0

    def begin(self, run_id: str, seed: int, asked: Asked, merger: LoadMerger) -> float:
        """Begin a run."""
        self._merger = merger
        self._dealer = None if asked.trace is None else Dealer(asked.trace)
        self._generator.on_stop_test = self.on_stop_test
        unlimited = asked.chosen.iter is None or asked.trace is not None
        lease = Lease() if unlimited else Lease(limit=asked.chosen.iter)
        self._begun = time.monotonic()
        self._generator.begin(RunInfo(id=run_id, seed=seed), asked.chosen, lease, origin=self._begun)
        self._deal()
        return self._begun

    def hurry(self) -> None:
        """Do nothing: there is nobody to wait for."""

    def poll(self) -> None:
        """Bring the merger up to date, and deal what is due soon."""
        if self._merger is not None:
            self._merger.add("local", self._generator.recorder.take_closed())
        self._deal()

    def _deal(self) -> None:
        if self._dealer is None:
            return
        self._dealer.fired("local", self._generator.player.news())
        for numbers in self._dealer.deal(horizon(time.monotonic() - self._begun), {"local": 1}).values():
            self._generator.player.put(recorded(self._dealer, numbers))

    def names(self) -> list[str]:
        """Return the one name."""
        return ["local"]

    @property
    def spent(self) -> bool:
        """Whether all arrivals that the run may make were offered."""
        return self._dealer.done if self._dealer is not None else self._generator.lease.spent

    def drain(self, timeout_seconds: float) -> None:
        """End the load."""
        self._generator.drain(timeout_seconds)
        if self._merger is not None:
            self._merger.add("local", self._generator.recorder.take_all())
        self._dealer = None

    def arrival_check(self) -> ArrivalCheck:
        """Return what the measured gaps say."""
        return self._generator.arrival_check()

    def clock_offsets(self) -> dict[str, float]:
        """Return nothing: there is no other clock."""
        return {}

    def troubles(self) -> list[str]:
        """Return nothing: there is no other process to lose."""
        return []
