"""How runs and records lie in SQLite: one table a kind of record, its columns derived from its fields. No database here.

The tables are meant to be read by people with nothing but `sqlite3`: a scalar field is a column of the same name, so
that units stay in the names; a time is ISO 8601 text in UTC with six decimals, so that text order is time order;
a nested value is JSON text; None is NULL. A float that is not a number is NULL too: SQLite knows no other.
"""

from __future__ import annotations

import re
from datetime import UTC
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Generic

import msgspec
from msgspec import inspect

from swarm_ext.model import RECORD_TYPES, Run
from swarm_ext.store import RecordT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from swarm_ext.model import Record

APPLICATION_ID = 0x53574558
"""`SWEX`, in the file's header: the file is one of ours."""

SCHEMA_VERSION = 1
"""The header's `user_version`. It changes whenever a table does, and then `UPGRADES` gets an entry."""

UPGRADES: Mapping[int, Sequence[str]] = {}
"""From a version to the statements that lead to the next one; a new file gets the newest tables at once."""

_SQL_TYPES: dict[type[inspect.Type], str] = {
    inspect.StrType: "TEXT",
    inspect.LiteralType: "TEXT",
    inspect.IntType: "INTEGER",
    inspect.FloatType: "REAL",
}


def time_text(moment: datetime) -> str:
    """Return `2026-11-22T01:47:05.000000Z`; raise ValueError for a time without a zone."""
    if moment.tzinfo is None:
        raise ValueError(f"the time {moment.isoformat()} has no time zone; times are aware, in UTC")
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def whole_milliseconds_text(moment: datetime) -> str:
    """Return the text of `moment` cut to whole milliseconds, as finely as every store can tell times apart."""
    return time_text(moment.replace(microsecond=moment.microsecond // 1000 * 1000))


def _json_text(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _optional(encode: Callable[[Any], str]) -> Callable[[Any], str | None]:
    return lambda value: None if value is None else encode(value)


class Table(Generic[RecordT]):
    """The table of one kind of record: its statements, and the way from a record to a row and back."""

    def __init__(self, kind: type[RecordT]) -> None:
        self.kind = kind
        self.name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind.__name__).lower() + "s"
        self._encoders: list[tuple[int, Callable[[Any], str | None]]] = []
        self._json_columns: list[str] = []
        declarations = ["key TEXT NOT NULL PRIMARY KEY"]
        names = []
        for field in inspect.type_info(kind).fields:  # type: ignore[attr-defined]  # a Struct's info has them
            names.append(field.name)
            declarations.append(self._declare(len(names), field))
        self._names = tuple(names)
        self._values = attrgetter("key", *names)
        columns = ", ".join(names)
        marks = ", ".join("?" * (len(names) + 1))
        self.create = (
            f"CREATE TABLE {self.name} (\n  " + ",\n  ".join(declarations) + "\n)",
            f"CREATE INDEX {self.name}_by_time ON {self.name} (run_id, timestamp)",
        )
        # "ON CONFLICT (key)" and not "OR IGNORE", which would also swallow a NULL where there must be a value.
        self.insert = (
            f"INSERT INTO {self.name} (key, {columns}) VALUES ({marks}) ON CONFLICT (key) DO NOTHING"  # noqa: S608
        )
        self.select = f"SELECT {columns} FROM {self.name} WHERE run_id = ? ORDER BY timestamp, rowid"  # noqa: S608
        self.count = f"SELECT count(*) FROM {self.name} WHERE run_id = ?"  # noqa: S608
        self.delete = f"DELETE FROM {self.name} WHERE run_id = ?"  # noqa: S608
        self.prune = f"{self.delete} AND timestamp < ?"

    def _declare(self, position: int, field: inspect.Field) -> str:
        kinds = field.type.types if isinstance(field.type, inspect.UnionType) else (field.type,)
        inner = [kind for kind in kinds if not isinstance(kind, inspect.NoneType)]
        sql = _SQL_TYPES.get(type(inner[0])) if len(inner) == 1 else None
        if len(inner) == 1 and isinstance(inner[0], inspect.DateTimeType):
            self._encoders.append((position, _optional(time_text)))
        elif sql is None:
            self._encoders.append((position, _optional(_json_text)))
            self._json_columns.append(field.name)
        required = " NOT NULL" if len(inner) == len(kinds) else ""
        run = " REFERENCES runs (id)" if field.name == "run_id" else ""
        return f"{field.name} {sql or 'TEXT'}{required}{run}"

    def row(self, record: RecordT) -> Sequence[object]:
        """Return the record's key and columns; raise ValueError or TypeError for a value that has no text."""
        values = list(self._values(record))
        for position, encode in self._encoders:
            values[position] = encode(values[position])
        return values

    def record(self, row: Sequence[Any]) -> RecordT:
        """Return the record of a selected row; raise ValueError if the row is not one."""
        values = dict(zip(self._names, row, strict=True))
        for name in self._json_columns:
            if values[name] is not None:
                values[name] = msgspec.json.decode(values[name])
        return msgspec.convert(values, self.kind, str_keys=True)


TABLES: Mapping[type[Record], Table[Any]] = {kind: Table(kind) for kind in RECORD_TYPES}
"""The table of every kind of record."""


_RUN_COLUMNS: Sequence[tuple[str, str, Callable[[Run], object]]] = (
    ("id", "TEXT NOT NULL PRIMARY KEY", lambda run: run.id),
    ("start", "TEXT NOT NULL", lambda run: time_text(run.start)),
    ("end", "TEXT", lambda run: None if run.end is None else time_text(run.end)),
    ("exit_status", "TEXT NOT NULL", lambda run: run.exit_status),
    ("host", "TEXT", lambda run: run.host),
    ("locustfile", "TEXT", lambda run: run.locustfile),
    ("swarm", "TEXT", lambda run: run.swarm),
    ("service", "TEXT", lambda run: run.service),
    ("arrival_process", "TEXT", lambda run: run.arrival_process and run.arrival_process.description),
    ("offered", "INTEGER", lambda run: run.totals and run.totals.offered),
    ("completed", "INTEGER", lambda run: run.totals and run.totals.completed),
    ("failed", "INTEGER", lambda run: run.totals and run.totals.failed),
    ("dropped", "INTEGER", lambda run: run.totals and run.totals.dropped),
    ("abandoned", "INTEGER", lambda run: run.totals and run.totals.abandoned),
    ("run", "TEXT NOT NULL", _json_text),
)
# What people ask for, and the whole Run as JSON, which alone is read back. `end` is a word of SQL's: names are quoted.

_RUN_NAMES = [f'"{name}"' for name, _, _ in _RUN_COLUMNS]

CREATE_RUNS = (
    "CREATE TABLE runs (\n  " + ",\n  ".join(f'"{name}" {kind}' for name, kind, _ in _RUN_COLUMNS) + "\n)",
    "CREATE INDEX runs_by_start ON runs (start, id)",
)

# An upsert, because "OR REPLACE" would delete the row that records refer to.
PUT_RUN = (
    f"INSERT INTO runs ({', '.join(_RUN_NAMES)}) VALUES ({', '.join('?' * len(_RUN_NAMES))})"  # noqa: S608
    f" ON CONFLICT (id) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _RUN_NAMES)}"
)

CREATE: Sequence[str] = (
    *CREATE_RUNS,
    *(statement for table in TABLES.values() for statement in table.create),
)
"""The statements that make every table of the newest version."""


def run_row(run: Run) -> Sequence[object]:
    """Return the run's columns; raise ValueError or TypeError for a value that has no text."""
    return [value(run) for _, _, value in _RUN_COLUMNS]


_run_decoder = msgspec.json.Decoder(Run)


def run_of(text: str) -> Run:
    """Return the run that its JSON tells of; raise ValueError if it tells of none."""
    return _run_decoder.decode(text)
