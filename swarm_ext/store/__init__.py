"""Where runs are kept: the interface that every store implements, and `open_store`, which picks one by its URI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from swarm_ext.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from swarm_ext.model import Record, Run

RecordT = TypeVar("RecordT", bound="Record")


class StoreError(Exception):
    """The store could not do it just now (disk full, locked, unreachable). The text is one line."""


class UnknownRunError(UserError):
    """There is no such run in the store. The text lists those that there are."""


class Store(Protocol):
    """A store of runs and their records. Methods block, may be called from one thread at a time, and raise StoreError."""

    @property
    def uri(self) -> str:
        """Where it is, with secrets masked: fit to be shown and logged."""
        ...

    def put_run(self, run: Run) -> None:
        """Store `run`, replacing what was stored under its id."""
        ...

    def write(self, records: Sequence[Record]) -> None:
        """Store records of any kinds, all or none. A record whose key is there already is stored once."""
        ...

    def runs(self) -> list[Run]:
        """Return every run, oldest first."""
        ...

    def run(self, run_id: str) -> Run:
        """Return one run by its id, an unambiguous beginning of it, or `latest`; raise UnknownRunError."""
        ...

    def read(self, run_id: str, kind: type[RecordT]) -> Iterator[RecordT]:
        """Yield a run's records of one kind by ascending timestamp; memory does not grow with their number."""
        ...

    def counts(self, run_id: str) -> dict[str, int]:
        """Return how many records of each kind a run has, by the kind's class name."""
        ...

    def delete(self, run_id: str) -> dict[str, int]:
        """Delete a run with all its records; return the counts deleted. Raise UnknownRunError."""
        ...

    def close(self) -> None:
        """Flush and close. Idempotent."""
        ...
