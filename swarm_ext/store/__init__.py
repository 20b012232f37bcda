"""Where runs are kept: the interfaces that stores implement, and what opens one by its URI.

`open_store` is for reading and for single changes; `open_run_store` is for whatever writes a run while it goes on.
"""

from __future__ import annotations

import re
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

from swarm_ext.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from datetime import datetime

    from swarm_ext.model import Record, Run, Trouble

RecordT = TypeVar("RecordT", bound="Record")

DEFAULT_STORE = "sqlite:///swarm-ext.db"
"""The store when none is named: a file in the working directory."""

DEFAULT_SPOOL = "swarm-ext-spool.db"
"""The spool when none is named: a file in the working directory."""

DEFAULT_SPOOL_LIMIT = "1GB"
DEFAULT_SPOOL_LIMIT_BYTES = 1_000_000_000
"""How large the spool may grow, as people write it and as a number."""


class StoreError(Exception):
    """The store could not do it just now (disk full, locked, unreachable). The text is one line."""


class UnstorableRecordError(ValueError):
    """No number of tries can store this: a value that does not fit, or a run that is not there. Nothing was written."""


class UnknownRunError(UserError):
    """There is no such run in the store, or more than one. The text lists those that there are."""


class Store(Protocol):
    """A store of runs and their records. Methods block, may be called from one thread at a time, and raise StoreError."""

    @property
    def uri(self) -> str:
        """Where it is, with secrets masked: fit to be shown and logged."""
        ...

    def put_run(self, run: Run) -> None:
        """Store `run`, replacing what was stored under its id. Raise UnstorableRecordError if it cannot ever be."""
        ...

    def write(self, records: Sequence[Record]) -> None:
        """Store records of any kinds. A record whose key is there already is stored once, as it was.

        Their runs must have been put before. Raise UnstorableRecordError if one of them cannot ever be stored. When
        anything is raised, none is stored; MongoDB alone, which is asked for a part after the other, may then have
        some. To write them again is always safe.
        """
        ...

    def runs(self) -> list[Run]:
        """Return every run, oldest first."""
        ...

    def run(self, run_id: str) -> Run:
        """Return one run by its id, an unambiguous beginning of it, or `latest`; raise UnknownRunError."""
        ...

    def read(self, run_id: str, kind: type[RecordT]) -> Iterator[RecordT]:
        """Yield a run's records of one kind by ascending timestamp; memory does not grow with their number.

        `run_id` is the whole id; a run that is not there has no records.
        """
        ...

    def counts(self, run_id: str) -> dict[str, int]:
        """Return how many records of each kind a run (its whole id) has, by the kind's class name."""
        ...

    def delete(self, run_id: str) -> dict[str, int]:
        """Delete a run (by its whole id) with all its records; return the counts deleted. Raise UnknownRunError.

        All or none; MongoDB deletes the records first, and the run last.
        """
        ...

    def prune(self, run_id: str, before: datetime) -> dict[str, int]:
        """Delete a run's records (its whole id) older than the aware `before`; return the counts deleted.

        Times are compared in whole milliseconds. The run itself stays. One that is not there has no records.
        """
        ...

    def close(self) -> None:
        """Flush and close. Idempotent."""
        ...


class RunStore(Store, Protocol):
    """A store that a run is written to while it goes on: it may take records now and have them in place later."""

    def finish(self, run_ids: Collection[str], timeout_seconds: float) -> bool:
        """Take note that these runs get no more records, and wait until all is in place, at most so long.

        Return whether it is. What is not is kept, and comes to its place later. A run that is put again goes on.
        """
        ...

    def troubles(self, run_id: str) -> list[Trouble]:
        """Return what has gone wrong with a run so far that no method has raised."""
        ...


class _Opener(Protocol):
    def __call__(self, uri: str, *, must_exist: bool) -> Store: ...


_OPENERS = {
    "sqlite": ("swarm_ext.store.sqlite", "open_sqlite"),
    "mongodb": ("swarm_ext.store.mongo", "open_mongo"),
    "mongodb+srv": ("swarm_ext.store.mongo", "open_mongo"),
}
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


def open_store(uri: str, *, must_exist: bool = False) -> Store:
    """Open the store that `uri` names, and make it if it is not there; with `must_exist`, only what is there.

    `sqlite:///relative.db` and `sqlite:////absolute.db` are files (SQLAlchemy's convention: three slashes, then the
    path); `mongodb://` and `mongodb+srv://` are MongoDB's own URIs. Raise UserError, with one line, when it cannot be
    opened; what was found there is then left as it was.
    """
    module, name = _OPENERS[scheme_of(uri)]
    opener = cast("_Opener", getattr(import_module(module), name))
    return opener(uri, must_exist=must_exist)


def open_run_store(
    uri: str,
    *,
    spool: str = DEFAULT_SPOOL,
    spool_limit_bytes: int = DEFAULT_SPOOL_LIMIT_BYTES,
    required: bool = False,
) -> RunStore:
    """Open the store that `uri` names to write runs to it.

    What goes to MongoDB is kept in the file `spool` until it is there; the database may be down, unless it is `required`.
    Raise UserError, with one line, when it cannot be opened.
    """
    if scheme_of(uri) == "sqlite":
        module, name = _OPENERS["sqlite"]
        return cast("RunStore", getattr(import_module(module), name)(uri, must_exist=False))
    spooled = import_module("swarm_ext.store.spool_store")
    return cast(
        "RunStore", spooled.open_spooled(uri, spool=spool, limit_bytes=spool_limit_bytes, required=required)
    )


def scheme_of(uri: str) -> str:
    """Return the scheme of a store's URI in small letters; raise UserError if there is no store for it."""
    match = _SCHEME.match(uri)
    if match is None:
        remedy = "write sqlite:///file.db" if "/" in uri or not uri else f"write sqlite:///{masked(uri)}"
        raise UserError(f"{masked(uri)!r} is not a store's URI, which begins with a scheme; {remedy}")
    scheme = match[1].lower()
    if scheme not in _OPENERS:
        known = ", ".join(f"{name}://" for name in _OPENERS)
        raise UserError(
            f"{masked(uri)}: there is no store for {scheme}://; use {known}, as in {DEFAULT_STORE}"
        )
    return scheme


_PASSWORD = re.compile(r"^((?>(?:[^:/]*:/+)?)[^:]*):.*@", re.DOTALL)
_SECRET_PARAMETER = re.compile(
    r"([?&][^=&]*(?:password|passwd|token|secret|authMechanismProperties)[^=&]*=)[^&]*", re.IGNORECASE
)


def masked(uri: str) -> str:
    """Return `uri` fit to be shown: its password, and secrets among its parameters, replaced by `***`.

    It errs on the side of masking: an unescaped `/` or `@` in a password, or a malformed URI, does not let it through.
    """
    if uri.startswith("sqlite:"):
        return uri
    return _SECRET_PARAMETER.sub(r"\1***", _PASSWORD.sub(r"\1:***@", uri))
