"""The files that `swarm-ext sample --out` writes: readable at any moment, never over something that is there."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from swarm_ext.errors import UserError
from swarm_ext.model import ContainerSample, LoadSample, NodeSample, ScalingDecision, ServiceSample
from swarm_ext.store.schema import time_text
from swarm_ext.without_load.record_file import open_record_file
from tests.sample_records import a_container_sample, an_empty_container_sample, one_record_of_every_kind

if TYPE_CHECKING:
    from pathlib import Path

SAMPLED = [
    record for record in one_record_of_every_kind() if not isinstance(record, (LoadSample, ScalingDecision))
]


@dataclass
class Rows:
    names: list[str]
    rows: list[dict[str, str]]


def read(path: Path) -> Rows:
    with path.open(newline="") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
        return Rows(list(reader.fieldnames or ()), rows)


def test_a_csv_file_has_container_samples_and_the_other_kinds_have_files_beside_it(tmp_path: Path) -> None:
    file = open_record_file(str(tmp_path / "out.csv"))
    file.write(SAMPLED)
    containers = [record for record in SAMPLED if isinstance(record, ContainerSample)]
    table = read(tmp_path / "out.csv")  # before it is closed: whatever was written is there
    assert table.names == list(ContainerSample.__struct_fields__)
    assert [row["container_id"] for row in table.rows] == [sample.container_id for sample in containers]
    assert [row["timestamp"] for row in table.rows] == [time_text(sample.timestamp) for sample in containers]
    (service,) = (record for record in SAMPLED if isinstance(record, ServiceSample))
    (row,) = read(tmp_path / "out.services.csv").rows
    assert [task["id"] for task in json.loads(row["tasks"])] == [task.id for task in service.tasks]
    (node,) = (record for record in SAMPLED if isinstance(record, NodeSample))
    assert read(tmp_path / "out.nodes.csv").rows[0]["node"] == node.node
    file.close()


def test_what_was_not_measured_is_empty(tmp_path: Path) -> None:
    file = open_record_file(str(tmp_path / "out.csv"))
    file.write([an_empty_container_sample()])
    file.close()
    (row,) = read(tmp_path / "out.csv").rows
    assert row["cpu_usage_cores"] == row["memory_usage_bytes"] == ""


def test_a_json_file_has_an_object_a_line_that_says_its_kind(tmp_path: Path) -> None:
    file = open_record_file(str(tmp_path / "out.json"))
    file.write(SAMPLED[:1])
    file.write(SAMPLED[1:])
    lines = (tmp_path / "out.json").read_text().splitlines()
    file.close()
    assert [json.loads(line)["kind"] for line in lines] == [type(record).__name__ for record in SAMPLED]
    assert json.loads(lines[0])["run_id"] == SAMPLED[0].run_id


def test_a_csv_file_that_nothing_came_for_has_its_heading(tmp_path: Path) -> None:
    open_record_file(str(tmp_path / "out.csv")).close()
    assert read(tmp_path / "out.csv") == Rows(list(ContainerSample.__struct_fields__), [])
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]


@pytest.mark.parametrize("name", ["out.csv", "out.nodes.csv", "out.services.csv"])
def test_a_file_that_is_there_is_refused_and_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(UserError, match=rf"there is a .*{name} already; move it away"):
        open_record_file(str(tmp_path / "out.csv"))
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize("name", ["out", "out.parquet", "out.txt"])
def test_an_ending_that_says_nothing_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=r"ends in \.csv or \.json"):
        open_record_file(str(tmp_path / name))
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No such file or directory"):
        open_record_file(str(tmp_path / "no" / "out.csv"))


def test_closing_twice_is_harmless_and_samples_written_apart_are_one_table(tmp_path: Path) -> None:
    file = open_record_file(str(tmp_path / "out.csv"))
    for number in range(3):
        file.write([a_container_sample(number)])
    file.close()
    file.close()
    assert len(read(tmp_path / "out.csv").rows) == 3
