"""The spool: a local SQLite file that keeps what is on its way to a database until it is certainly there.

Of each run it has the run's own document, its records in the order in which they came, and a mark up to which the
database has acknowledged them. Acknowledged records stay, to be sent again if need be, until the run has ended and the
database counts as many; only when the file is as large as it may be, the oldest of them leave earlier. Documents are
kept as the very bytes that are sent. Any number of processes may share the file, and send what is in it at the same time:
the marks only ever tell of less than what is there.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from swarm_ext.store.spool_bound import SpoolBound
from swarm_ext.store.sqlite_database import SQLiteDatabase
from swarm_ext.store.sqlite_file import Layout

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LAYOUT = Layout(
    application_id=0x53575350,  # SWSP
    version=1,
    create=(
        """CREATE TABLE runs (
          number INTEGER PRIMARY KEY AUTOINCREMENT,
          target TEXT NOT NULL,
          id TEXT NOT NULL,
          owner TEXT NOT NULL,
          ended INTEGER NOT NULL DEFAULT 0,
          document BLOB NOT NULL,
          version INTEGER NOT NULL DEFAULT 1,
          stored_version INTEGER NOT NULL DEFAULT 0,
          acknowledged INTEGER NOT NULL DEFAULT 0,
          UNIQUE (target, id)
        )""",
        # a number is never used again, or a new record could come to lie below a run's mark
        """CREATE TABLE records (
          number INTEGER PRIMARY KEY AUTOINCREMENT,
          run INTEGER NOT NULL REFERENCES runs (number),
          collection TEXT NOT NULL,
          key TEXT NOT NULL,
          milliseconds INTEGER NOT NULL,
          document BLOB NOT NULL,
          UNIQUE (run, collection, key)
        )""",
        "CREATE INDEX records_by_run ON records (run, number)",
        """CREATE TABLE released (
          run INTEGER NOT NULL REFERENCES runs (number),
          collection TEXT NOT NULL,
          records INTEGER NOT NULL,
          PRIMARY KEY (run, collection)
        )""",
    ),
    upgrades={},
)
"""The file's tables. `released` counts the acknowledged records that had to leave before their run's end."""

_DELETED_AT_ONCE = 10_000
_DELETE_SOME_UP_TO, _DELETE_SOME_BEFORE = (
    f"DELETE FROM records WHERE number IN (SELECT number FROM records WHERE run = ? AND {rule} LIMIT ?)"  # noqa: S608
    for rule in ("number <= ?", "milliseconds < ?")
)


@dataclass(frozen=True)
class SpooledRecord:
    """A record as it lies in the spool, and `number`, its place in the order in which records came."""

    number: int
    collection: str
    document: bytes


@dataclass(frozen=True)
class NewRecord:
    """A record to be kept: its run's id, its collection, its key, its time [ms since the epoch], its document's bytes."""

    run_id: str
    collection: str
    key: str
    milliseconds: int
    document: bytes


@dataclass(frozen=True)
class SpooledRun:
    """A run in the spool: where it goes, who writes it, whether it has `ended`, and how far it has come.

    `acknowledged` and `last` are numbers of records: the database has all up to the first, the last is the newest.
    """

    number: int
    target: str
    id: str
    owner: str
    ended: int
    version: int
    stored_version: int
    acknowledged: int
    last: int

    @property
    def waits(self) -> bool:
        """Whether the database has not acknowledged all of it."""
        return self.version > self.stored_version or self.last > self.acknowledged


class Spool:
    """The open file. Several may have it open, each used by one thread at a time. Methods raise StoreError."""

    def __init__(self, file: str, *, limit_bytes: int, must_exist: bool = False) -> None:
        self.path = Path(file).absolute()
        self._database = SQLiteDatabase(f"the spool {file}", self.path, LAYOUT, must_exist=must_exist)
        self._connection = self._database.connection
        self._bound = SpoolBound(self._database, limit_bytes)

    # what comes in

    def put_run(self, target: str, run_id: str, owner: str, document: bytes) -> None:
        """Keep a run's newest document; from now on it goes on, and is `owner`'s."""
        with self._database.writing(f"run {run_id}"):
            self._connection.execute(
                "INSERT INTO runs (target, id, owner, document) VALUES (?, ?, ?, ?) ON CONFLICT (target, id) DO UPDATE"
                " SET owner = excluded.owner, document = excluded.document, ended = 0, version = version + 1",
                (target, run_id, owner, document),
            )

    def add(self, target: str, records: Sequence[NewRecord]) -> None:
        """Keep records, all or none; raise SpoolFullError, or UnstorableRecordError if a run was never put."""
        with self._database.writing(f"{len(records)} records"):
            numbers = self._numbers(target)
            self._bound.make_room(len(record.document) for record in records)
            self._connection.executemany(
                "INSERT INTO records (run, collection, key, milliseconds, document) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (run, collection, key) DO NOTHING",
                (
                    (
                        numbers.get(record.run_id, -1),  # no run has that number: a foreign key fails
                        record.collection,
                        record.key,
                        record.milliseconds,
                        record.document,
                    )
                    for record in records
                ),
            )

    def _numbers(self, target: str) -> dict[str, int]:
        return dict(
            self._connection.execute("SELECT id, number FROM runs WHERE target = ?", (target,)).fetchall()
        )

    def end(self, target: str, run_ids: Iterable[str]) -> None:
        """Note that runs get no more records."""
        with self._database.writing("the end of runs"):
            self._connection.executemany(
                "UPDATE runs SET ended = 1 WHERE target = ? AND id = ?", [(target, each) for each in run_ids]
            )

    # what is there

    def runs(self, target: str | None = None) -> list[SpooledRun]:
        """Return the runs on their way to a database (None: to any), in the order in which they came."""
        rows = self._database.query(
            "SELECT number, target, id, owner, ended, version, stored_version, acknowledged,"
            " coalesce((SELECT max(number) FROM records WHERE run = runs.number), 0)"
            " FROM runs WHERE target = ? OR ? IS NULL ORDER BY number",
            target,
            target,
        )
        return [SpooledRun(*row) for row in rows]

    def document(self, run: SpooledRun) -> bytes | None:
        """Return a run's newest document, None when it is not there any more."""
        rows = self._database.query("SELECT document FROM runs WHERE number = ?", run.number)
        return rows[0][0] if rows else None

    def batch(
        self, run: SpooledRun, *, until: int | None, records: int, total_bytes: int
    ) -> list[SpooledRecord]:
        """Return a run's next records that are not acknowledged: so many, of so many bytes, but at least one.

        None of them comes after number `until`.
        """
        found: list[SpooledRecord] = []
        size = 0
        with self._database.reading():
            rows = self._connection.execute(
                "SELECT number, collection, document FROM records WHERE run = ? AND number > ? AND number <= ?"
                " ORDER BY number LIMIT ?",
                (run.number, run.acknowledged, until or run.last, records),
            )
            for row in rows:
                size += len(row[2])
                if found and size > total_bytes:
                    break
                found.append(SpooledRecord(*row))
        return found

    def waiting(self, run: SpooledRun) -> int:
        """Return how many of a run's records are not acknowledged."""
        found: int = self._database.query(
            "SELECT count(*) FROM records WHERE run = ? AND number > ?", run.number, run.acknowledged
        )[0][0]
        return found

    def kept(self, run: SpooledRun) -> dict[str, int]:
        """Return how many of a run's records are in the file, by collection."""
        return dict(
            self._database.query(
                "SELECT collection, count(*) FROM records WHERE run = ? GROUP BY collection", run.number
            )
        )

    def released(self, run: SpooledRun) -> dict[str, int]:
        """Return how many of a run's acknowledged records had to leave the file already, by collection."""
        return dict(
            self._database.query("SELECT collection, records FROM released WHERE run = ?", run.number)
        )

    # what becomes of it

    def run_stored(self, run: SpooledRun) -> None:
        """Note that the database has the run's document in the version that `run` tells of."""
        with self._database.writing(f"the state of run {run.id}"):
            self._connection.execute(
                "UPDATE runs SET stored_version = ? WHERE number = ? AND stored_version < ?",
                (run.version, run.number, run.version),
            )

    def acknowledge(
        self, run: SpooledRun, batch: Sequence[SpooledRecord], refused: Sequence[SpooledRecord]
    ) -> None:
        """Note that the database has a batch, but for what it refuses for good, which leaves the file.

        The mark moves only from where `run` has it: if it was set back meanwhile, all is sent again from there.
        """
        with self._database.writing(f"the state of run {run.id}"):
            self._connection.execute(
                "UPDATE runs SET acknowledged = ? WHERE number = ? AND acknowledged = ?",
                (batch[-1].number, run.number, run.acknowledged),
            )
            self._connection.executemany(
                "DELETE FROM records WHERE number = ?", [(record.number,) for record in refused]
            )

    def send_again(self, run_number: int, *, after: int) -> None:
        """Set a run's mark back: what came after record `after` is sent again; with 0 all, and the run itself."""
        with self._database.writing("the state of a run"):
            self._connection.execute(
                "UPDATE runs SET acknowledged = min(acknowledged, ?),"
                " stored_version = CASE WHEN ? = 0 THEN 0 ELSE stored_version END WHERE number = ?",
                (after, after, run_number),
            )

    def forget(self, run: SpooledRun) -> None:
        """Remove a run and its records, unless there is more of it than `run` tells of."""
        while self._delete(_DELETE_SOME_UP_TO, run.number, run.last):
            pass
        with self._database.writing(f"the state of run {run.id}"):
            unchanged = self._connection.execute(
                "SELECT 1 FROM runs WHERE number = ? AND version = ?"
                " AND NOT EXISTS (SELECT 1 FROM records WHERE run = runs.number)",
                (run.number, run.version),
            ).fetchone()
            if unchanged:
                self._connection.execute("DELETE FROM released WHERE run = ?", (run.number,))
                self._connection.execute("DELETE FROM runs WHERE number = ?", (run.number,))
        self._database.give_space_back()

    def prune(self, run: SpooledRun, before_milliseconds: int) -> None:
        """Remove a run's records older than a moment (ms since the epoch)."""
        while self._delete(_DELETE_SOME_BEFORE, run.number, before_milliseconds):
            pass

    def close(self) -> None:
        """Close the file. Idempotent."""
        self._database.close()

    def _delete(self, statement: str, *values: int) -> int:
        """Delete records, in a transaction of their own; return how many."""
        with self._database.writing("what is done with"):
            return self._connection.execute(statement, (*values, _DELETED_AT_ONCE)).rowcount
