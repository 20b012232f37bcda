"""The SQLite file is for people, too: tables and columns that plain SQL understands."""

from __future__ import annotations

import hashlib
import sqlite3
from typing import TYPE_CHECKING

import pytest

from swarm_ext.model import RECORD_TYPES, Record
from swarm_ext.store.schema import CREATE, SCHEMA_VERSION, TABLES
from tests.sample_records import (
    RUN_ID,
    START,
    a_container_sample,
    a_full_run,
    a_run,
    one_record_of_every_kind,
)

if TYPE_CHECKING:
    from pathlib import Path

    from swarm_ext.store import Store


def rows(path: Path, query: str) -> list[tuple[object, ...]]:
    """What a researcher with plain sqlite3 sees."""
    connection = sqlite3.connect(path)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


@pytest.mark.parametrize("kind", RECORD_TYPES)
def test_reading_in_order_needs_no_sorting(store: Store, path: Path, kind: type[Record]) -> None:
    plan = str(rows(path, "EXPLAIN QUERY PLAN " + TABLES[kind].select.replace("?", "'x'")))
    assert "USING INDEX" in plan
    assert "B-TREE" not in plan


def test_columns_have_the_names_of_the_fields_and_values_that_plain_sql_understands(
    store: Store, path: Path
) -> None:
    store.put_run(a_run())
    store.write(one_record_of_every_kind())
    for kind in RECORD_TYPES:
        names = [str(name) for _, name, *_ in rows(path, f"PRAGMA table_info({TABLES[kind].name})")]
        assert names == ["key", *kind.__struct_fields__]
    assert rows(path, "SELECT key, timestamp, cpu_usage_seconds, slot FROM container_samples") == [
        (a_container_sample().key, "2026-11-22T01:47:05.123456Z", 0.1, 1)
    ]
    assert rows(
        path,
        "SELECT json_extract(response_times, '$.1250'), json_extract(replica_requests, '$.∅') FROM load_samples",
    ) == [(17, 1)]
    assert rows(path, "SELECT json_extract(tasks, '$[0].state'), update_state FROM service_samples") == [
        ("running", "rollback_started")
    ]


def test_a_full_second_has_its_six_decimals_so_that_text_order_is_time_order(
    store: Store, path: Path
) -> None:
    store.put_run(a_run("whole", START.replace(microsecond=0)))
    assert rows(path, "SELECT start FROM runs") == [("2026-11-22T01:47:05.000000Z",)]


def test_a_run_can_be_queried_by_what_people_ask_for(store: Store, path: Path) -> None:
    store.put_run(a_full_run())
    query = "SELECT id, \"end\", exit_status, service, arrival_process, offered, json_extract(run, '$.options.lamb') FROM runs"
    assert rows(path, query) == [
        (RUN_ID, "2026-11-22T01:48:35.123457Z", "finished", "web", "Poisson(rate=20.0)", 500, 20.0)
    ]


def test_whoever_changes_a_table_also_changes_the_schema_version_and_says_how_to_upgrade() -> None:
    digest = hashlib.sha256("\n".join(CREATE).encode()).hexdigest()[:16]
    assert (SCHEMA_VERSION, digest) == (1, "acb1101a42b09c96"), (
        "the tables changed: raise SCHEMA_VERSION, add the step to UPGRADES, and put the new digest here"
    )


def test_a_deleted_run_gives_its_space_back(store: Store, path: Path) -> None:
    store.put_run(a_run())
    store.write([a_container_sample(n) for n in range(5000)])
    store.delete(RUN_ID)
    store.close()
    assert path.stat().st_size < 200_000  # it was over a million
    assert [file.name for file in path.parent.iterdir()] == [path.name]  # no log is left beside it
