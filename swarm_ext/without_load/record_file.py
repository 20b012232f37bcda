"""Records as a file, written as they come: CSV for spreadsheets and data frames, or JSON lines.

A CSV file has one kind of record, since each has columns of its own: `out.csv` gets the container samples, and
`out.nodes.csv` and `out.services.csv` beside it the other two, made when the first one comes. A JSON file has all of
them, an object a line, whose `kind` says which it is. Columns and times are as `swarm-ext runs export` has them.
"""

from __future__ import annotations

import csv
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol

import msgspec

from swarm_ext.errors import UserError
from swarm_ext.model import ContainerSample, NodeSample, ServiceSample
from swarm_ext.store.schema import time_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from swarm_ext.model import Record

_CSV_SUFFIXES: dict[type[Record], str] = {
    ContainerSample: ".csv",
    NodeSample: ".nodes.csv",
    ServiceSample: ".services.csv",
}


class RecordFile(Protocol):
    """A file, or several, that records are appended to. Whatever was written is in the file when `write` returns."""

    @property
    def name(self) -> str:
        """Its name, as it was given."""
        ...

    def write(self, records: Sequence[Record]) -> None:
        """Append records of any of the kinds; raise OSError."""
        ...

    def close(self) -> None:
        """Close what is open. Idempotent."""
        ...


def open_record_file(name: str) -> RecordFile:
    """Make the file `name`, which ends in .csv or .json; raise UserError if it is there, or cannot be made."""
    path = Path(name)
    kinds: dict[str, type[CsvFiles | JsonLines]] = {".csv": CsvFiles, ".json": JsonLines, ".jsonl": JsonLines}
    kind = kinds.get(path.suffix.lower())
    if kind is None:
        raise UserError(
            f"--out {name}: its ending says what to write: give a name that ends in .csv or .json"
        )
    for beside in (path, *(_beside(path, suffix) for suffix in _CSV_SUFFIXES.values() if kind is CsvFiles)):
        if beside.exists():
            raise UserError(f"--out {name}: there is a {beside} already; move it away, or give another name")
    try:
        return kind(path)
    except OSError as error:
        raise UserError(f"--out {name} cannot be written: {error.strerror}; give another name") from None


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name[: -len(".csv")] + suffix)


class JsonLines:
    """One object a line."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._file = path.open("xb")
        self._encode = msgspec.json.Encoder().encode

    def write(self, records: Sequence[Record]) -> None:
        """Append records; raise OSError."""
        lines = [
            self._encode({"kind": type(record).__name__, **msgspec.to_builtins(record)}) for record in records
        ]
        self._file.write(b"".join(line + b"\n" for line in lines))
        self._file.flush()

    def close(self) -> None:
        """Close the file. Idempotent."""
        self._file.close()


class CsvFiles:
    """One file a kind, each beginning with its columns' names; lists are JSON within a column."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._path = path
        self._tables: dict[type[Record], _CsvTable] = {}
        self._table(ContainerSample)

    def write(self, records: Sequence[Record]) -> None:
        """Append records; raise OSError."""
        for kind in dict.fromkeys(type(record) for record in records):
            self._table(kind).write([record for record in records if type(record) is kind])

    def close(self) -> None:
        """Close the files. Idempotent."""
        for table in self._tables.values():
            table.close()

    def _table(self, kind: type[Record]) -> _CsvTable:
        if kind not in self._tables:
            self._tables[kind] = _CsvTable(_beside(self._path, _CSV_SUFFIXES[kind]), kind)
        return self._tables[kind]


class _CsvTable:
    def __init__(self, path: Path, kind: type[Record]) -> None:
        self._file: IO[str] = path.open("x", newline="", encoding="utf-8")
        self._columns = kind.__struct_fields__
        self._writer = csv.writer(self._file, lineterminator="\n")
        self._writer.writerow(self._columns)
        self._file.flush()

    def write(self, records: Sequence[Record]) -> None:
        self._writer.writerows([_cell(getattr(record, name)) for name in self._columns] for record in records)
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def _cell(value: object) -> object:
    if value is None or isinstance(value, (str, int, float)):
        return value
    return time_text(value) if isinstance(value, datetime) else msgspec.json.encode(value).decode()
