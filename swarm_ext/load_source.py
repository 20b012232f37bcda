"""Where a run's load comes from: here, this process's own generator; `fleet` is the same for workers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from swarm_ext.generator import RunInfo
from swarm_ext.quota import Lease

if TYPE_CHECKING:
    from collections.abc import Callable

    from swarm_ext.generator import Generator
    from swarm_ext.load import LoadMerger
    from swarm_ext.model import ArrivalCheck
    from swarm_ext.settings import Settings


class LoadSource(Protocol):
    """What a run's conductor asks of those who generate its load."""

    on_stop_test: Callable[[str], None]

    @property
    def workers(self) -> int:
        """How many workers generate; 0: this process does."""
        ...

    def begin(self, run_id: str, seed: int, chosen: Settings, merger: LoadMerger) -> None:
        """Begin a run, whose seconds go to `merger`. May wait a few seconds for workers to say who they are."""
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

    def troubles(self) -> list[str]:
        """Return what went wrong among the generating processes, a line each."""
        ...


class LocalLoad:
    """The load of the local process."""

    def __init__(self, generator: Generator) -> None:
        self._generator = generator
        self._merger: LoadMerger | None = None
        self.on_stop_test: Callable[[str], None] = lambda _reason: None

    @property
    def workers(self) -> int:
        """Return 0: there are none."""
        return 0

    def begin(self, run_id: str, seed: int, chosen: Settings, merger: LoadMerger) -> None:
        """Begin a run."""
        self._merger = merger
        self._generator.on_stop_test = self.on_stop_test
        lease = Lease() if chosen.iter is None else Lease(limit=chosen.iter)
        self._generator.begin(RunInfo(id=run_id, seed=seed), chosen, lease)

    def poll(self) -> None:
        """Bring the merger up to date."""
        if self._merger is not None:
            self._merger.add("local", self._generator.recorder.take_closed())

    def names(self) -> list[str]:
        """Return the one name."""
        return ["local"]

    @property
    def spent(self) -> bool:
        """Whether all arrivals that the run may make were offered."""
        return self._generator.lease.spent

    def drain(self, timeout_seconds: float) -> None:
        """End the load."""
        self._generator.drain(timeout_seconds)
        if self._merger is not None:
            self._merger.add("local", self._generator.recorder.take_all())

    def arrival_check(self) -> ArrivalCheck:
        """Return what the measured gaps say."""
        return self._generator.arrival_check()

    def troubles(self) -> list[str]:
        """Return nothing: there is no other process to lose."""
        return []
