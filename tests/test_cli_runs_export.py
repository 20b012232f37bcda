"""`swarm-ext runs export`: files that other programs read, whole or not there at all."""

from __future__ import annotations

import csv
import json
from contextlib import closing
from typing import TYPE_CHECKING, Any

import msgspec
import pandas as pd
import pytest

from swarm_ext.cli import main
from swarm_ext.model import RECORD_TYPES, LoadSample, Run
from swarm_ext.store import open_store
from swarm_ext.store.schema import TABLES
from tests.sample_records import (
    RUN_ID,
    a_container_sample,
    a_full_run,
    an_empty_container_sample,
    one_record_of_every_kind,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def uri(tmp_path: Path) -> str:
    uri = f"sqlite:///{tmp_path}/runs.db"
    with closing(open_store(uri)) as store:
        store.put_run(a_full_run())
        store.write([an_empty_container_sample(), *one_record_of_every_kind()])
        store.write([a_container_sample(n) for n in range(1, 2500)])  # more than a batch
    return uri


def run_command(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Return the exit code, and what is printed: to stdout when it succeeds, to stderr when it does not."""
    with pytest.raises(SystemExit) as exit_:
        main(["runs", *arguments])
    captured = capsys.readouterr()
    return int(exit_.value.code or 0), captured.out or captured.err


def exported(uri: str, folder: Path, file_format: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, text = run_command(
        capsys, "export", "latest", "--store", uri, "--format", file_format, "-o", str(folder)
    )
    assert code == 0, text
    assert text == f"Wrote run {RUN_ID} with 2,505 records to 6 files in {folder}.\n"
    names = {path.name for path in folder.iterdir()}
    assert names == {"run.json", *(f"{table.name}.{file_format}" for table in TABLES.values())}
    assert msgspec.json.decode((folder / "run.json").read_bytes(), type=Run) == a_full_run()


def the_same(read: dict[str, Any], record: object) -> bool:
    """Whether a row of texts, with nested values as JSON, tells of a record."""
    written = json.loads(msgspec.json.encode(record))
    told = {name: json.loads(text) if text[:1] in ("{", "[") else text for name, text in read.items()}
    return all(str(told[name]) == str("" if value is None else value) for name, value in written.items() if name not in ("timestamp", "response_time_p99_seconds"))  # fmt: skip


def test_csv_has_a_row_a_record_and_a_column_a_field(
    uri: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exported(uri, tmp_path / "out", "csv", capsys)
    for kind, record in zip(RECORD_TYPES, one_record_of_every_kind(), strict=True):
        with (tmp_path / "out" / f"{TABLES[kind].name}.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert list(rows[0]) == list(kind.__struct_fields__)
        (row,) = [row for row in rows if row["timestamp"] == "2026-11-22T01:47:05.123456Z"]
        assert the_same(row, record)
    frame = pd.read_csv(tmp_path / "out" / "container_samples.csv", parse_dates=["timestamp"])
    assert len(frame) == 2501
    assert str(frame["timestamp"].dt.tz) == "UTC"
    assert frame["timestamp"].is_monotonic_increasing
    (load,) = pd.read_csv(tmp_path / "out" / "load_samples.csv").to_dict("records")
    assert load["response_time_p99_seconds"] == float("inf")


def test_json_is_a_list_with_a_record_a_line(
    uri: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exported(uri, tmp_path / "out", "json", capsys)
    file = tmp_path / "out" / "container_samples.json"
    assert len(file.read_text().splitlines()) == 2503
    records = json.loads(file.read_text())
    assert json.loads(msgspec.json.encode(a_container_sample(7))) in records
    assert json.loads((tmp_path / "out" / "load_samples.json").read_text())[0]["response_times"] == {
        "0": 1,
        "1250": 17,
    }


def test_parquet_has_the_types_of_the_fields(
    uri: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("pyarrow")
    exported(uri, tmp_path / "out", "parquet", capsys)
    frame = pd.read_parquet(tmp_path / "out" / "container_samples.parquet")
    assert len(frame) == 2501
    assert str(frame["timestamp"].dt.tz) == "UTC"
    assert frame["memory_limit_bytes"].max() == 2**63 - 1
    assert frame["cpu_usage_cores"].isna().sum() == 1
    load = pd.read_parquet(tmp_path / "out" / "load_samples.parquet").iloc[0]
    assert json.loads(load["response_times"]) == {"0": 1, "1250": 17}
    assert load["response_time_p99_seconds"] == float("inf")


@pytest.mark.parametrize("file_format", ["csv", "json", "parquet"])
def test_a_run_without_records_gives_files_without_records(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], file_format: str
) -> None:
    uri = f"sqlite:///{tmp_path}/empty.db"
    with closing(open_store(uri)) as store:
        store.put_run(a_full_run())
    code, text = run_command(
        capsys, "export", "latest", "--store", uri, "--format", file_format, "-o", str(tmp_path / "o")
    )
    assert code == 0, text
    file = tmp_path / "o" / f"load_samples.{file_format}"
    match file_format:
        case "csv":
            assert file.read_text() == ",".join(LoadSample.__struct_fields__) + "\n"
        case "json":
            assert json.loads(file.read_text()) == []
        case _:
            assert list(pd.read_parquet(file).columns) == list(LoadSample.__struct_fields__)


def test_files_that_are_there_are_replaced_only_when_asked(
    uri: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "load_samples.csv").write_text("precious")
    arguments = ("export", "latest", "--store", uri, "-o", str(folder))
    code, text = run_command(capsys, *arguments)
    assert (code, text.count("\n")) == (2, 1)
    assert "load_samples.csv is there already; choose another folder, or add --overwrite" in text
    assert [path.name for path in folder.iterdir()] == ["load_samples.csv"]
    assert (folder / "load_samples.csv").read_text() == "precious"
    code, text = run_command(capsys, *arguments, "--overwrite")
    assert code == 0, text
    assert (folder / "load_samples.csv").read_text() != "precious"


def test_a_folder_that_cannot_be_is_one_line(uri: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, text = run_command(capsys, "export", "latest", "--store", uri, "-o", "/proc/exported")
    assert (code, text.count("\n")) == (2, 1)
    assert "/proc/exported cannot be written: " in text


def test_the_folder_is_named_as_the_run_unless_another_is_given(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_command(capsys, "export", "2026", "--store", uri)[0] == 0
    assert (tmp_path / RUN_ID / "run.json").exists()


def test_a_store_that_breaks_in_the_middle_leaves_no_half_file(
    uri: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import sqlite3

    with closing(sqlite3.connect(uri.removeprefix("sqlite:///"))) as other, other:
        other.execute("UPDATE load_samples SET response_times = '{'")
    code, text = run_command(capsys, "export", "latest", "--store", uri, "-o", str(tmp_path / "out"))
    assert code == 2
    assert "could not be read" in text
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "container_samples.csv",
        "node_samples.csv",
    }


def test_without_pyarrow_parquet_says_what_to_install(
    uri: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swarm_ext.commands.run_export.find_spec", lambda _name: None)
    arguments = ("export", "latest", "--store", uri, "--format", "parquet", "-o", str(tmp_path / "out"))
    assert run_command(capsys, *arguments) == (
        2,
        "swarm-ext: Parquet needs pyarrow: pip install 'swarm-ext[parquet]', or choose --format csv or json\n",
    )
