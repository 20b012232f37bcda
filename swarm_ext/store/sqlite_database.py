"""One open SQLite file of ours: transactions, and every error of SQLite's as one of a store's, in one line."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from swarm_ext.store import StoreError, UnstorableRecordError
from swarm_ext.store.sqlite_file import Layout, connect, error_code

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_REMEDIES: Mapping[int, str] = {
    sqlite3.SQLITE_BUSY: "another program holds it; end that program",
    sqlite3.SQLITE_FULL: "make room on the disk",
    sqlite3.SQLITE_CORRUPT: "the file is damaged; rescue what is left with: sqlite3 FILE .recover",
}

_FREED_PAGES = 5_000

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


class SQLiteDatabase:
    """A file and the connection to it. `name` is what a person calls it; it begins every message.

    A method may wait up to five seconds for another process that is writing. It may be made in one thread and used in
    another, by one at a time.
    """

    def __init__(self, name: str, path: Path, layout: Layout, *, must_exist: bool) -> None:
        self.name = name
        self._path = path
        self.connection = connect(name, path, layout, must_exist=must_exist)
        self._identity = self._file_identity()
        self._closed = False

    def query(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Return the rows that a statement selects; raise StoreError."""
        with self.reading():
            return self.connection.execute(statement, values).fetchall()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Turn what reading can raise into a StoreError."""
        try:
            yield
        except (sqlite3.Error, ValueError) as error:  # a ValueError is a row that is not what we wrote
            raise self._failure("read", error) from error

    @contextmanager
    def writing(self, what: str) -> Iterator[None]:
        """Make one transaction of the block: all of it or, when anything is raised, nothing.

        Raise StoreError, or UnstorableRecordError where a value is the reason, which can never be stored.
        """
        try:
            self._check_usable()
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.connection.execute("COMMIT")
            except BaseException:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                raise
        except _UNSTORABLE as error:
            raise UnstorableRecordError(f"{self.name}: {what} cannot be stored: {_reason(error)}") from error
        except sqlite3.Error as error:
            raise self._failure("written", error) from error

    def give_space_back(self) -> None:
        """Shrink the file by what was deleted; while others use it its space is kept, to be used again."""
        before, free = -1, 0
        with suppress(sqlite3.OperationalError):
            while before != free:  # in parts, between which others may write
                before = free
                # `execute` would free one page only
                self.connection.executescript(f"PRAGMA incremental_vacuum({_FREED_PAGES})")
                free = self.connection.execute("PRAGMA freelist_count").fetchone()[0]

    def close(self) -> None:
        """Close the file; the last one to close it folds its write-ahead log into it. Idempotent."""
        with self.reading():
            self._closed = True
            self.connection.close()

    def _failure(self, done: str, error: Exception) -> StoreError:
        code = error_code(error) if isinstance(error, sqlite3.Error) else -1
        remedy = f"; {_REMEDIES[code]}" if code in _REMEDIES else ""
        return StoreError(f"{self.name} could not be {done}: {error}{remedy}")

    def _file_identity(self) -> tuple[int, int]:
        status = self._path.stat()
        return status.st_dev, status.st_ino

    def _check_usable(self) -> None:
        """Refuse to write when closed, and into a file that has lost its name: it would vanish with this process."""
        if self._closed:
            raise StoreError(f"{self.name} is closed; open it again")
        try:
            if self._file_identity() == self._identity:
                return
        except OSError:
            pass
        raise StoreError(f"{self.name}: {self._path} was removed or replaced while it was open; start again")


def _reason(error: Exception) -> str:
    if isinstance(error, sqlite3.IntegrityError) and "FOREIGN KEY" in str(error):
        return "their run is not in the store; put the run first"
    return str(error)
