"""A run as files for other programs: one a kind of record, and `run.json`.

In CSV and Parquet a time is UTC (ISO 8601 text in CSV), and a nested value is JSON text, as in the SQLite store; in JSON each
file is a list with one record a line. What was not measured is empty, or null.
"""

from __future__ import annotations

import csv
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
from msgspec import inspect

from swarm_ext.errors import UserError
from swarm_ext.model import RECORD_TYPES
from swarm_ext.store.schema import TABLES, time_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from swarm_ext.model import Record, Run
    from swarm_ext.store import Store

FORMATS = ("csv", "json", "parquet")
RUN_FILE = "run.json"
_BATCH_RECORDS = 1_000


class _Writer(Protocol):
    """Opens a file for records of one kind, and gives what appends a batch of them."""

    def __call__(
        self, path: Path, kind: type[Record]
    ) -> AbstractContextManager[Callable[[Sequence[Record]], None]]: ...


def export(
    store: Store,
    run: Run,
    folder: Path,
    file_format: str,
    *,
    overwrite: bool,
    progress: Callable[[int], None],
) -> list[Path]:
    """Write a run's files into `folder`, which is made if need be, and return them; `progress` is told of each batch.

    A file appears when it is whole. Raise UserError, with one line, if one is there already or cannot be written.
    """
    if file_format == "parquet" and find_spec("pyarrow") is None:
        raise UserError(
            "Parquet needs pyarrow: pip install 'swarm-ext[parquet]', or choose --format csv or json"
        )
    files = {kind: folder / f"{TABLES[kind].name}.{file_format}" for kind in RECORD_TYPES}
    if not overwrite:
        for path in (folder / RUN_FILE, *files.values()):
            if path.exists():
                raise UserError(f"{path} is there already; choose another folder, or add --overwrite")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for kind, path in files.items():
            with _appearing(path) as unfinished, _WRITERS[file_format](unfinished, kind) as write:
                for batch in _batches(store.read(run.id, kind)):
                    write(batch)
                    progress(len(batch))
        with _appearing(folder / RUN_FILE) as unfinished:
            unfinished.write_bytes(msgspec.json.format(msgspec.json.encode(run), indent=2) + b"\n")
    except OSError as error:
        raise UserError(
            f"{error.filename or folder} cannot be written: {error.strerror}; choose another folder"
        ) from error
    return [folder / RUN_FILE, *files.values()]


@contextmanager
def _appearing(path: Path) -> Iterator[Path]:
    """Give the path of an unfinished file that becomes `path` when all has gone well, and else vanishes."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        yield unfinished
        unfinished.replace(path)
    finally:
        with suppress(FileNotFoundError):
            unfinished.unlink()


def _batches(records: Iterator[Record]) -> Iterator[Sequence[Record]]:
    while batch := list(islice(records, _BATCH_RECORDS)):
        yield batch


# CSV


@contextmanager
def _csv(path: Path, kind: type[Record]) -> Iterator[Callable[[Sequence[Record]], None]]:
    names = kind.__struct_fields__
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        yield lambda batch: writer.writerows([_cell(getattr(each, name)) for name in names] for each in batch)


def _cell(value: Any) -> object:
    if value is None or isinstance(value, (str, int, float)):
        return value
    return time_text(value) if hasattr(value, "tzinfo") else _json_text(value)


def _json_text(value: object) -> str:
    return msgspec.json.encode(value).decode()


# JSON


@contextmanager
def _json(path: Path, kind: type[Record]) -> Iterator[Callable[[Sequence[Record]], None]]:  # noqa: ARG001
    with path.open("w", encoding="utf-8") as file:
        file.write("[")
        first = True

        def write(batch: Sequence[Record]) -> None:
            nonlocal first
            for each in batch:
                file.write(f"{'' if first else ','}\n{_json_text(each)}")
                first = False

        yield write
        file.write("\n]\n")


# Parquet


@contextmanager
def _parquet(path: Path, kind: type[Record]) -> Iterator[Callable[[Sequence[Record]], None]]:
    import pyarrow as pa  # noqa: PLC0415  # an extra
    from pyarrow import parquet  # noqa: PLC0415

    plain: dict[type[inspect.Type], Any] = {
        inspect.StrType: pa.string(),
        inspect.LiteralType: pa.string(),
        inspect.IntType: pa.int64(),
        inspect.FloatType: pa.float64(),
        inspect.DateTimeType: pa.timestamp("us", tz="UTC"),
    }
    fields, nested = [], set()
    for field in inspect.type_info(kind).fields:  # type: ignore[attr-defined]  # a Struct's info has them
        kinds = field.type.types if isinstance(field.type, inspect.UnionType) else (field.type,)
        inner = next(each for each in kinds if not isinstance(each, inspect.NoneType))
        if type(inner) not in plain:
            nested.add(field.name)
        fields.append(pa.field(field.name, plain.get(type(inner), pa.string()), nullable=len(kinds) > 1))
    schema = pa.schema(fields)

    def columns(batch: Sequence[Record]) -> Iterable[list[Any]]:
        for name in schema.names:
            values = [getattr(each, name) for each in batch]
            yield [_json_text(value) for value in values] if name in nested else values

    with parquet.ParquetWriter(path, schema) as writer:
        yield lambda batch: writer.write_batch(
            pa.record_batch(
                [pa.array(values, field.type) for values, field in zip(columns(batch), schema, strict=True)],
                schema=schema,
            )
        )


_WRITERS: dict[str, _Writer] = {"csv": _csv, "json": _json, "parquet": _parquet}
