"""The embedded store: one SQLite file, no server. Any number of processes may read and write it at once."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from swarm_ext.store import RecordT, StoreError, UnknownRunError, UnstorableRecordError
from swarm_ext.store.schema import PUT_RUN, TABLES, run_of, run_row
from swarm_ext.store.sqlite_file import connect, error_code, path_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from swarm_ext.model import Record, Run

_SHOWN_RUNS = 10
_REMEDIES: Mapping[int, str] = {
    sqlite3.SQLITE_BUSY: "another program holds it; end that program",
    sqlite3.SQLITE_FULL: "make room on the disk",
    sqlite3.SQLITE_CORRUPT: "the file is damaged; rescue what is left with: sqlite3 FILE .recover",
}

_UNSTORABLE = (
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
    TypeError,
    ValueError,
    OverflowError,
)
"""What is raised for a value that does not fit, by its encoding or by its column; no try will change that."""


def open_sqlite(uri: str, *, must_exist: bool) -> SQLiteStore:
    """Open `sqlite:///relative.db` or `sqlite:////absolute.db`; raise UserError when it cannot be."""
    path = path_of(uri)
    return SQLiteStore(uri, path, connect(uri, path, must_exist=must_exist))


class SQLiteStore:
    """A `Store` in one SQLite file. What a method has returned from is on the disk.

    A method may wait up to five seconds for another process that is writing. It may be made in one thread and used in
    another, by one at a time.
    """

    def __init__(self, uri: str, path: Path, connection: sqlite3.Connection) -> None:
        self._uri = uri
        self._path = path
        self._connection = connection
        self._identity = self._file_identity()
        self._closed = False

    @property
    def uri(self) -> str:
        """The URI it was opened by; a file has no secrets to mask."""
        return self._uri

    def put_run(self, run: Run) -> None:
        """Store `run`, replacing what was stored under its id. Raise UnstorableRecordError if it cannot ever be."""
        with self._writing(f"run {run.id}"):
            self._connection.execute(PUT_RUN, run_row(run))

    def write(self, records: Sequence[Record]) -> None:
        """Store records of any kinds in one transaction. A record whose key is there already is stored once."""
        if not records:
            return
        kinds: defaultdict[type[Record], list[Record]] = defaultdict(list)
        for record in records:
            kinds[type(record)].append(record)
        with self._writing(f"{len(records)} records"):
            for kind, group in kinds.items():
                if kind not in TABLES:
                    raise TypeError(f"{kind.__name__} is not a kind of record that a store holds")
                table = TABLES[kind]
                self._connection.executemany(table.insert, map(table.row, group))

    def runs(self) -> list[Run]:
        """Return every run, oldest first."""
        return self._runs("SELECT run FROM runs ORDER BY start, id")

    def run(self, run_id: str) -> Run:
        """Return one run by its id, an unambiguous beginning of it, or `latest`; raise UnknownRunError."""
        if run_id == "latest":
            found = self._runs("SELECT run FROM runs ORDER BY start DESC, id DESC LIMIT 1")
        else:
            found = self._runs("SELECT run FROM runs WHERE id = ?", run_id)
        if not found and run_id:
            found = self._runs("SELECT run FROM runs WHERE substr(id, 1, ?) = ? LIMIT 2", len(run_id), run_id)
        if len(found) != 1:
            raise UnknownRunError(self._unknown(run_id, several=len(found) > 1))
        return found[0]

    def read(self, run_id: str, kind: type[RecordT]) -> Iterator[RecordT]:
        """Yield a run's records of one kind by ascending timestamp, row by row as SQLite finds them."""
        table = TABLES[kind]
        with self._reading():
            for row in self._connection.execute(table.select, (run_id,)):
                yield table.record(row)

    def counts(self, run_id: str) -> dict[str, int]:
        """Return how many records of each kind a run has, by the kind's class name."""
        return {kind.__name__: self._query(table.count, run_id)[0][0] for kind, table in TABLES.items()}

    def delete(self, run_id: str) -> dict[str, int]:
        """Delete a run with all its records in one transaction, and shrink the file; return the counts deleted."""
        deleted = {}
        with self._writing(f"the deletion of {run_id}"):
            for kind, table in TABLES.items():
                deleted[kind.__name__] = self._connection.execute(table.delete, (run_id,)).rowcount
            if not self._connection.execute("DELETE FROM runs WHERE id = ?", (run_id,)).rowcount:
                raise UnknownRunError(self._unknown(run_id, several=False))
        with suppress(
            sqlite3.OperationalError
        ):  # while others use the file its space is kept, to be used again
            self._connection.executescript("PRAGMA incremental_vacuum")  # `execute` would free one page only
        return deleted

    def close(self) -> None:
        """Close the file; the last one to close it folds its write-ahead log into it. Idempotent."""
        with self._reading():
            self._closed = True
            self._connection.close()

    def _runs(self, statement: str, *values: object) -> list[Run]:
        with self._reading():
            return [run_of(text) for (text,) in self._query(statement, *values)]

    def _query(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with self._reading():
            return self._connection.execute(statement, values).fetchall()

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, ValueError) as error:  # a ValueError is a row that is not what we wrote
            raise self._failure("read", error) from error

    @contextmanager
    def _writing(self, what: str) -> Iterator[None]:
        """Make one transaction of the block: all of it or, when anything is raised, nothing."""
        try:
            self._check_usable()
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
        except _UNSTORABLE as error:
            raise UnstorableRecordError(f"{self._uri}: {what} cannot be stored: {_reason(error)}") from error
        except sqlite3.Error as error:
            raise self._failure("written", error) from error

    def _failure(self, done: str, error: Exception) -> StoreError:
        code = error_code(error) if isinstance(error, sqlite3.Error) else -1
        remedy = f"; {_REMEDIES[code]}" if code in _REMEDIES else ""
        return StoreError(f"{self._uri} could not be {done}: {error}{remedy}")

    def _file_identity(self) -> tuple[int, int]:
        status = self._path.stat()
        return status.st_dev, status.st_ino

    def _check_usable(self) -> None:
        """Refuse to write when closed, and into a file that has lost its name: it would vanish with this process."""
        if self._closed:
            raise StoreError(f"{self._uri} is closed; open it again")
        try:
            if self._file_identity() == self._identity:
                return
        except OSError:
            pass
        raise StoreError(f"{self._uri}: {self._path} was removed or replaced while it was open; start again")

    def _unknown(self, run_id: str, *, several: bool) -> str:
        match = (len(run_id), run_id) if several else (0, "")
        select = (
            "SELECT id, start, exit_status FROM runs WHERE substr(id, 1, ?) = ? ORDER BY start DESC, id DESC"
        )
        matches = self._query(select, *match)
        shown = [f"{name} ({str(start)[:19]}Z, {status})" for name, start, status in matches[:_SHOWN_RUNS]]
        if len(matches) > len(shown):
            shown.append(f"and {len(matches) - len(shown)} more")
        if several:
            return f"{run_id!r} is the beginning of {len(matches)} runs in {self._uri}; write more of it: {', '.join(shown)}"
        if not shown:
            return f"there is no run {run_id!r} in {self._uri}; it holds no runs yet"
        return f"there is no run {run_id!r} in {self._uri}; there are: {', '.join(shown)}"


def _reason(error: Exception) -> str:
    if isinstance(error, sqlite3.IntegrityError) and "FOREIGN KEY" in str(error):
        return "their run is not in the store; put the run first"
    return str(error)
