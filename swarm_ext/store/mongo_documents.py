"""How runs and records lie in MongoDB: one collection a kind of record, documents derived from its fields. No database here.

The documents are meant to be read in the mongo shell and in pandas, and are as portable as can be:

- a field is a field of the same name, so that units stay in the names; `_id` is the record's natural key;
- a time is a date, which has whole milliseconds; what is below them is in NAME_microseconds beside it, 0 to 999;
- counts by number (a histogram) are a document, its names the numbers; counts by name are a list of {name, value}, because
  names from elsewhere may have dots and dollars, which are operators to MongoDB;
- a float that is not a number is null (some servers drop the connection at the sight of one), an infinite one is the
  text "Infinity" or "-Infinity".
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Generic

import msgspec
from msgspec import inspect

from swarm_ext.model import RECORD_TYPES, Run
from swarm_ext.store import RecordT
from swarm_ext.store.schema import run_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from swarm_ext.model import Record

SCHEMA_VERSION = 1
"""Stands in the database; it changes whenever a document's shape does."""

_REST = "_microseconds"
_LARGEST_INTEGER = 2**63 - 1


def collection_name(kind: type[Record]) -> str:
    """Return the name of a kind's collection: `container_samples` for ContainerSample."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind.__name__).lower() + "s"


class _Shape:
    """A Struct's way into a document and back, field by field."""

    def __init__(self, struct: type[msgspec.Struct]) -> None:
        self._struct = struct
        self._required: list[str] = []
        self._times: list[str] = []
        self._in: dict[str, Callable[[Any], Any]] = {}
        self._out: dict[str, Callable[[Any], Any]] = {}
        self._names = struct.__struct_fields__
        for field in inspect.type_info(struct).fields:  # type: ignore[attr-defined]  # a Struct's info has them
            self._take(field)

    def _take(self, field: inspect.Field) -> None:
        kinds = field.type.types if isinstance(field.type, inspect.UnionType) else (field.type,)
        inner = [kind for kind in kinds if not isinstance(kind, inspect.NoneType)]
        if len(inner) == len(kinds):
            self._required.append(field.name)
        match inner[0]:
            case inspect.DateTimeType():
                self._times.append(field.name)
            case inspect.FloatType():
                self._in[field.name] = _number
                self._out[field.name] = float
            case inspect.DictType(key_type=inspect.IntType()):
                self._in[field.name] = lambda counts: {str(number): n for number, n in counts.items()}
                self._out[field.name] = lambda found: {int(number): n for number, n in found.items()}
            case inspect.DictType():
                self._in[field.name] = named_values
                self._out[field.name] = lambda found: {each["name"]: each["value"] for each in found}
            case inspect.VarTupleType(item_type=inspect.StructType(cls=cls)):
                shape = _Shape(cls)
                self._in[field.name] = lambda items: [shape.document(item) for item in items]
                self._out[field.name] = lambda found: [shape.values(item) for item in found]

    def document(self, value: msgspec.Struct) -> dict[str, Any]:
        """Return the fields as a document; raise ValueError or TypeError for what has no place in one."""
        found: dict[str, Any] = {}
        for name in self._names:
            item = getattr(value, name)
            if item is None:
                found[name] = None
            elif name in self._times:
                found[name], found[name + _REST] = date_and_rest(item)
            elif name in self._in:
                found[name] = self._in[name](item)
            else:
                found[name] = item
        for name in self._required:
            if found[name] is None:
                raise ValueError(f"{name} is NULL, which is NOT NULL in every store")
        return found

    def values(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of the fields that a document has; raise ValueError, TypeError or KeyError if it is not one."""
        found = {name: document[name] for name in self._names if name in document}
        for name, back in self._out.items():
            if found.get(name) is not None:
                found[name] = back(found[name])
        for name in self._times:
            if found.get(name) is not None:
                found[name] = found[name] + timedelta(microseconds=document.get(name + _REST, 0))
        return found


class Collection(Generic[RecordT]):
    """The collection of one kind of record: its name, and the way from a record to a document and back."""

    def __init__(self, kind: type[RecordT]) -> None:
        self.kind = kind
        self.name = collection_name(kind)
        self._shape = _Shape(kind)

    def document(self, record: RecordT) -> dict[str, Any]:
        """Return the record's document; raise ValueError or TypeError for a value that has no place in one."""
        return {"_id": record.key, **self._shape.document(record)}

    def record(self, document: Mapping[str, Any]) -> RecordT:
        """Return the record of a document; raise ValueError, TypeError or KeyError if it is not one."""
        return msgspec.convert(self._shape.values(document), self.kind)


RUNS = "runs"
BY_START = [("start", 1), (f"start{_REST}", 1), ("_id", 1)]
BY_TIME = [("run_id", 1), ("timestamp", 1), (f"timestamp{_REST}", 1)]
"""The indexes, and the orders in which runs and records are read."""


def run_document(run: Run) -> dict[str, Any]:
    """Return a run's document: what people ask for, and the whole Run as JSON, which alone is read back.

    Raise ValueError or TypeError for a value that has no place in one.
    """
    start, start_rest = date_and_rest(run.start)
    end, end_rest = (None, None) if run.end is None else date_and_rest(run.end)
    totals = run.totals
    counted = ("offered", "completed", "failed", "dropped", "abandoned")
    return {
        "_id": run.id,
        "start": start,
        f"start{_REST}": start_rest,
        "end": end,
        f"end{_REST}": end_rest,
        "exit_status": run.exit_status,
        "host": run.host,
        "locustfile": run.locustfile,
        "swarm": run.swarm,
        "service": run.service,
        "arrival_process": None if run.arrival_process is None else run.arrival_process.description,
        **{name: None if totals is None else getattr(totals, name) for name in counted},
        "tags": named_values(run.tags),
        "options": named_values(run.options),
        "run": msgspec.json.encode(run).decode(),
    }


def run_of_document(document: Mapping[str, Any]) -> Run:
    """Return the run that a document tells of; raise ValueError or KeyError if it tells of none."""
    return run_of(document["run"])


def named_values(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return [{name, value}]; a value that is neither a text nor a plain number is its JSON."""
    return [{"name": name, "value": _plain(value)} for name, value in values.items()]


def date_and_rest(moment: datetime) -> tuple[datetime, int]:
    """Return a time in UTC cut to whole milliseconds, and the microseconds below them; raise ValueError without a zone."""
    if moment.tzinfo is None:
        raise ValueError(f"the time {moment.isoformat()} has no time zone; times are aware, in UTC")
    rest = moment.microsecond % 1000
    return moment.astimezone(UTC) - timedelta(microseconds=rest), rest


def _number(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    return value


def _plain(value: object) -> object:
    if value is None or isinstance(value, (str, bool)):
        return value
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, int) and abs(value) <= _LARGEST_INTEGER:
        return value
    return msgspec.json.encode(value).decode()


COLLECTIONS: Mapping[type[Record], Collection[Any]] = {kind: Collection(kind) for kind in RECORD_TYPES}
"""The collection of every kind of record."""
