"""The embedded store: one SQLite file, no server. Any number of processes may read and write it at once."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from swarm_ext.store.schema import (
    APPLICATION_ID,
    CREATE,
    PUT_RUN,
    SCHEMA_VERSION,
    TABLES,
    UPGRADES,
    run_of,
    run_row,
    whole_milliseconds_text,
)
from swarm_ext.store.sqlite_database import SQLiteDatabase
from swarm_ext.store.sqlite_file import Layout, path_of
from swarm_ext.store.unknown_run import unknown_run

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from datetime import datetime

    from swarm_ext.model import Record, Run, Trouble
    from swarm_ext.store import RecordT, UnknownRunError

LAYOUT = Layout(APPLICATION_ID, SCHEMA_VERSION, CREATE, UPGRADES)
"""What a store's file has in it."""


def open_sqlite(uri: str, *, must_exist: bool) -> SQLiteStore:
    """Open `sqlite:///relative.db` or `sqlite:////absolute.db`; raise UserError when it cannot be."""
    return SQLiteStore(SQLiteDatabase(uri, path_of(uri), LAYOUT, must_exist=must_exist))


class SQLiteStore:
    """A `RunStore` in one SQLite file. What a method has returned from is on the disk.

    A method may wait up to five seconds for another process that is writing. It may be made in one thread and used in
    another, by one at a time.
    """

    def __init__(self, database: SQLiteDatabase) -> None:
        self._database = database

    @property
    def uri(self) -> str:
        """The URI it was opened by; a file has no secrets to mask."""
        return self._database.name

    def put_run(self, run: Run) -> None:
        """Store `run`, replacing what was stored under its id. Raise UnstorableRecordError if it cannot ever be."""
        with self._database.writing(f"run {run.id}"):
            self._database.connection.execute(PUT_RUN, run_row(run))

    def write(self, records: Sequence[Record]) -> None:
        """Store records of any kinds in one transaction. A record whose key is there already is stored once."""
        if not records:
            return
        kinds: defaultdict[type[Record], list[Record]] = defaultdict(list)
        for record in records:
            kinds[type(record)].append(record)
        with self._database.writing(f"{len(records)} records"):
            for kind, group in kinds.items():
                if kind not in TABLES:
                    raise TypeError(f"{kind.__name__} is not a kind of record that a store holds")
                table = TABLES[kind]
                self._database.connection.executemany(table.insert, map(table.row, group))

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
            raise self._unknown(run_id, several=len(found) > 1)
        return found[0]

    def read(self, run_id: str, kind: type[RecordT]) -> Iterator[RecordT]:
        """Yield a run's records of one kind by ascending timestamp, row by row as SQLite finds them."""
        table = TABLES[kind]
        with self._database.reading():
            for row in self._database.connection.execute(table.select, (run_id,)):
                yield table.record(row)

    def counts(self, run_id: str) -> dict[str, int]:
        """Return how many records of each kind a run has, by the kind's class name."""
        return {
            kind.__name__: self._database.query(table.count, run_id)[0][0] for kind, table in TABLES.items()
        }

    def delete(self, run_id: str) -> dict[str, int]:
        """Delete a run with all its records in one transaction, and shrink the file; return the counts deleted."""
        deleted = {}
        connection = self._database.connection
        with self._database.writing(f"the deletion of {run_id}"):
            for kind, table in TABLES.items():
                deleted[kind.__name__] = connection.execute(table.delete, (run_id,)).rowcount
            if not connection.execute("DELETE FROM runs WHERE id = ?", (run_id,)).rowcount:
                raise self._unknown(run_id, several=False)
        self._database.give_space_back()
        return deleted

    def prune(self, run_id: str, before: datetime) -> dict[str, int]:
        """Delete a run's records older than a moment in one transaction; return the counts deleted."""
        deleted = {}
        with self._database.writing(f"the end of what {run_id} keeps"):
            for kind, table in TABLES.items():
                rows = self._database.connection.execute(
                    table.prune, (run_id, whole_milliseconds_text(before))
                )
                deleted[kind.__name__] = rows.rowcount
        self._database.give_space_back()
        return deleted

    def finish(self, run_ids: Collection[str], timeout_seconds: float) -> bool:  # noqa: ARG002  # the protocol's
        """Return True: what a method has returned from is where it shall be."""
        return True

    def troubles(self, run_id: str) -> list[Trouble]:  # noqa: ARG002  # the protocol's
        """Return nothing: what goes wrong is raised."""
        return []

    def close(self) -> None:
        """Close the file; the last one to close it folds its write-ahead log into it. Idempotent."""
        self._database.close()

    def _runs(self, statement: str, *values: object) -> list[Run]:
        with self._database.reading():
            return [run_of(text) for (text,) in self._database.query(statement, *values)]

    def _unknown(self, run_id: str, *, several: bool) -> UnknownRunError:
        match = (len(run_id), run_id) if several else (0, "")
        select = (
            "SELECT id, start, exit_status FROM runs WHERE substr(id, 1, ?) = ? ORDER BY start DESC, id DESC"
        )
        return unknown_run(run_id, self.uri, self._database.query(select, *match), several=several)
