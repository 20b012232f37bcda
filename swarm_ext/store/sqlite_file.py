"""Opening a SQLite file of ours: what may be there, what is made, and one line for everything that may not be.

A file that is not ours is never written to: it is first looked at without locks or side files ("immutable"), and again
through the real connection, before anything is changed.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from swarm_ext.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BUSY_TIMEOUT_SECONDS = 5.0
"""How long a statement waits for another process's lock before it fails."""

_SMALLEST_DATABASE_BYTES = 512


@dataclass(frozen=True)
class Layout:
    """What a kind of file of ours has in it.

    `application_id` and `version` stand in the file's header; `create` are the statements that make the tables of that
    version, `upgrades` lead from each older version to the next one.
    """

    application_id: int
    version: int
    create: Sequence[str]
    upgrades: Mapping[int, Sequence[str]]


def path_of(uri: str) -> Path:
    """Return the absolute path that a `sqlite:///` URI names; raise UserError if it names none."""
    scheme, _, rest = uri.partition("://")
    name = rest.removeprefix("/")
    if not rest.startswith("/"):
        raise UserError(
            f"{uri}: a SQLite URI has three slashes before its path; write {scheme}:///{rest or 'file.db'}"
        )
    if not name:
        raise UserError(f"{uri}: it names no file; write {scheme}:///file.db")
    if name == ":memory:":
        raise UserError(f"{uri}: a run must outlive its process; name a file, as in {scheme}:///file.db")
    if "?" in name or "\0" in name:
        raise UserError(
            f"{uri!r}: a SQLite URI is only a path, without ? options or NUL; write {scheme}:///file.db"
        )
    return Path(name).absolute()


def connect(uri: str, path: Path, layout: Layout, *, must_exist: bool) -> sqlite3.Connection:
    """Return a connection to the file with its tables in place; raise UserError for whatever prevents it."""
    size = _size_of_file(uri, path)
    if must_exist and not size:
        found = "there is no file" if size is None else "there is nothing in"
        raise UserError(f"{uri}: {found} {path}; a run makes it, or name the store of an earlier run")
    _check_permissions(uri, path, exists=size is not None)
    if size:
        _check_header(uri, path, layout, size)
    try:
        return _connection(uri, path, layout, mode="rwc" if size is None else "rw")
    except sqlite3.Error as error:
        raise UserError(f"{uri}: {path} cannot be opened: {error}; {_remedy(error)}") from error


def _connection(uri: str, path: Path, layout: Layout, *, mode: str) -> sqlite3.Connection:
    # Autocommit: every transaction is begun where it is meant. Used by one thread at a time, not by one thread only.
    connection = sqlite3.connect(
        f"file:{quote(os.fsencode(path))}?mode={mode}",
        uri=True,
        timeout=BUSY_TIMEOUT_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        _prepare(uri, connection, layout)
    except BaseException:
        connection.close()
        raise
    return connection


def _size_of_file(uri: str, path: Path) -> int | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        if not path.parent.is_dir():
            raise UserError(
                f"{uri}: there is no directory {path.parent}; make it, or choose another"
            ) from None
        return None
    except OSError as error:
        raise UserError(f"{uri}: {path} cannot be used: {error.strerror}; choose another file") from error
    if not stat.S_ISREG(status.st_mode):
        kind = "a directory" if stat.S_ISDIR(status.st_mode) else "not an ordinary file"
        raise UserError(f"{uri}: {path} is {kind}; name a file")
    return status.st_size


def _check_permissions(uri: str, path: Path, *, exists: bool) -> None:
    if exists and not os.access(path, os.R_OK | os.W_OK):
        raise UserError(
            f"{uri}: {path} may not be read and written by this user; change that, or choose another file"
        )
    if not os.access(path.parent, os.W_OK | os.X_OK):  # the write-ahead log lies beside the file
        raise UserError(
            f"{uri}: the directory {path.parent} may not be written to; change that, or choose another"
        )


def _check_header(uri: str, path: Path, layout: Layout, size: int) -> None:
    """Refuse what is certainly not ours without a trace of having looked."""
    no_database = UserError(f"{uri}: {path} is not a SQLite database; choose another file")
    if size < _SMALLEST_DATABASE_BYTES:  # SQLite would take it for an empty one
        raise no_database
    try:
        with closing(
            sqlite3.connect(f"file:{quote(os.fsencode(path))}?mode=ro&immutable=1", uri=True)
        ) as connection:
            _check_ours(uri, layout, _header(connection))
    except sqlite3.DatabaseError as error:
        if error_code(error) == sqlite3.SQLITE_NOTADB:
            raise no_database from error
        # Anything else may be a file that is being written just now: the real connection waits, recovers and tells.


def _header(connection: sqlite3.Connection) -> tuple[int, int]:
    return (
        connection.execute("PRAGMA application_id").fetchone()[0],
        connection.execute("PRAGMA user_version").fetchone()[0],
    )


def _check_ours(uri: str, layout: Layout, header: tuple[int, int]) -> None:
    application, version = header
    if application != layout.application_id or version < 1:
        raise UserError(f"{uri}: this database belongs to another application; choose another file")
    if version > layout.version:
        raise UserError(
            f"{uri}: a newer swarm-ext wrote this (schema {version}; this one knows {layout.version});"
            " upgrade swarm-ext, or choose another file"
        )


def _prepare(uri: str, connection: sqlite3.Connection, layout: Layout) -> None:
    if connection.execute("PRAGMA page_count").fetchone()[0] == 0:
        _create(connection, layout)
    header = _header(connection)
    _check_ours(uri, layout, header)
    if header[1] != layout.version:
        upgrade(connection, layout)
    _write_ahead(uri, connection)
    # FULL: what `write` has returned from is on the disk, also after a power cut. It costs one fsync a batch.
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")


def _create(connection: sqlite3.Connection, layout: Layout) -> None:
    """Make the tables in an empty file, unless another process is faster."""
    connection.execute("BEGIN")
    # Deleted runs give their space back. This must come before any table, and by itself begins to write: inside the
    # transaction, or the file would for a moment be a database that is not ours.
    connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
    if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
        for statement in layout.create:
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id={layout.application_id}")
        connection.execute(f"PRAGMA user_version={layout.version}")
    connection.execute("COMMIT")


def upgrade(connection: sqlite3.Connection, layout: Layout) -> None:
    """Bring an older file's tables to the newest version, all or none."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        _, found = _header(connection)  # again, under the lock: another process may have been faster
        for version in range(found, layout.version):
            for statement in layout.upgrades[version]:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version={layout.version}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _write_ahead(uri: str, connection: sqlite3.Connection) -> None:
    """Switch to write-ahead logging. The switch does not wait for locks by itself, so this does, for so long."""
    deadline = time.monotonic() + BUSY_TIMEOUT_SECONDS
    while True:
        try:
            mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
        except sqlite3.OperationalError as error:
            if error_code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            break
    if mode != "wal":
        raise UserError(
            f"{uri}: this file system cannot hold a write-ahead log; choose a file on a local disk"
        )


def error_code(error: sqlite3.Error) -> int:
    """Return SQLite's primary result code; -1 for an error of the Python module's own."""
    code: int = getattr(error, "sqlite_errorcode", -1)
    return code if code < 0 else code & 0xFF


def _remedy(error: sqlite3.Error) -> str:
    if error_code(error) in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return "end the program that holds it"
    return "choose another file"
