"""How large a spool may grow, and what gives way when it is: acknowledged records first, and then nothing more comes in."""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

from swarm_ext.store import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from swarm_ext.store.sqlite_database import SQLiteDatabase

_LOOKED_AT = 10_000
_RELEASED_SHARE = 0.05
"""How much more of the whole leaves than is needed just now, so that not every batch has to make room."""

_ROW_BYTES = 400
"""What a record takes beside its document: its key twice, its numbers, the indexes."""


class SpoolFullError(StoreError):
    """The spool is as large as it may be, and nothing in it is acknowledged. The text is one line."""


class SpoolBound:
    """Keeps a spool's file to a size. Used within the transactions that write to it."""

    def __init__(self, database: SQLiteDatabase, limit_bytes: int) -> None:
        self._database = database
        self._connection = database.connection
        self._limit_bytes = limit_bytes
        self._page_bytes: int = database.query("PRAGMA page_size")[0][0]

    def make_room(self, document_sizes: Iterable[int]) -> None:
        """Let acknowledged records leave, the oldest first, until so many bytes more fit; else raise SpoolFullError.

        A spool without records takes whatever comes, so that none is too large for ever.
        """
        needed = sum(size + _ROW_BYTES for size in document_sizes)
        while self._free_bytes() < needed:
            leaving = self._oldest(needed - self._free_bytes() + _RELEASED_SHARE * self._limit_bytes)
            if not leaving:
                break
            self._release(leaving)
        empty = self._connection.execute("SELECT 1 FROM records LIMIT 1").fetchone() is None
        if self._free_bytes() < needed and not empty:
            raise SpoolFullError(
                f"{self._database.name} is as large as --spool-limit allows ({self._limit_bytes / 1e6:,.0f} MB) and"
                " waits for its database"
            )

    def _free_bytes(self) -> int:
        pages, free = (
            self._connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count")
        )
        used: int = (pages - free) * self._page_bytes
        return self._limit_bytes - used

    def _oldest(self, wanted_bytes: float) -> Sequence[tuple[int, int, str, int]]:
        """Return (number, run, collection, bytes) of the oldest acknowledged records, as many as are wanted."""
        found = self._connection.execute(
            "SELECT records.number, run, collection, length(records.document) FROM records"
            " JOIN runs ON runs.number = run WHERE records.number <= acknowledged"
            # where nothing is acknowledged, nothing is looked through
            " AND records.number <= (SELECT max(acknowledged) FROM runs) ORDER BY records.number LIMIT ?",
            (_LOOKED_AT,),
        )
        leaving = []
        for row in found.fetchall():
            if wanted_bytes <= 0:
                break
            wanted_bytes -= row[3] + _ROW_BYTES
            leaving.append(row)
        return leaving

    def _release(self, rows: Sequence[tuple[int, int, str, int]]) -> None:
        self._connection.executemany("DELETE FROM records WHERE number = ?", [(row[0],) for row in rows])
        place = itemgetter(1, 2)
        self._connection.executemany(
            "INSERT INTO released (run, collection, records) VALUES (?, ?, ?)"
            " ON CONFLICT (run, collection) DO UPDATE SET records = records + excluded.records",
            [(*key, sum(1 for _ in group)) for key, group in groupby(sorted(rows, key=place), place)],
        )
