"""Where runs are kept: the interface that every store implements, and `open_store`, which picks one by its URI."""

from __future__ import annotations

import re
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

from swarm_ext.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from swarm_ext.model import Record, Run

RecordT = TypeVar("RecordT", bound="Record")

DEFAULT_STORE = "sqlite:///swarm-ext.db"
"""The store when none is named: a file in the working directory."""


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
        """Store records of any kinds, all or none. A record whose key is there already is stored once.

        Their runs must have been put before. Raise UnstorableRecordError if one of them cannot ever be stored.
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
        """Delete a run (by its whole id) with all its records, all or none; return the counts deleted.

        Raise UnknownRunError.
        """
        ...

    def close(self) -> None:
        """Flush and close. Idempotent."""
        ...


class _Opener(Protocol):
    def __call__(self, uri: str, *, must_exist: bool) -> Store: ...


_OPENERS = {"sqlite": ("swarm_ext.store.sqlite", "open_sqlite")}
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


def open_store(uri: str, *, must_exist: bool = False) -> Store:
    """Open the store that `uri` names, and make it if it is not there; with `must_exist`, only what is there.

    `sqlite:///relative.db` and `sqlite:////absolute.db` are files (SQLAlchemy's convention: three slashes, then the
    path). Raise UserError, with one line, when it cannot be opened; what was found there is then left as it was.
    """
    match = _SCHEME.match(uri)
    if match is None:
        remedy = "write sqlite:///file.db" if "/" in uri or not uri else f"write sqlite:///{masked(uri)}"
        raise UserError(f"{masked(uri)!r} is not a store's URI, which begins with a scheme; {remedy}")
    scheme = match[1].lower()
    if scheme in {"mongodb", "mongodb+srv"}:
        raise UserError(f"{masked(uri)}: MongoDB is not supported by this version; use sqlite:///file.db")
    if scheme not in _OPENERS:
        known = ", ".join(f"{name}://" for name in _OPENERS)
        raise UserError(
            f"{masked(uri)}: there is no store for {scheme}://; use {known}, as in {DEFAULT_STORE}"
        )
    module, name = _OPENERS[scheme]
    opener = cast("_Opener", getattr(import_module(module), name))
    return opener(uri, must_exist=must_exist)


_PASSWORD = re.compile(r"^((?:[^:/]*:/{2,})?[^:/]*):(?!/).*@", re.DOTALL)
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
