"""What the doctor says of the store, and that it leaves no trace there."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from pymongo import MongoClient

from swarm_ext.doctor.bounded import Bounded, OverdueError
from swarm_ext.doctor.store import examine_store, judge_room, judge_spool
from swarm_ext.errors import UserError
from swarm_ext.store import StoreError, open_store
from swarm_ext.store.mongo_documents import RUNS
from tests.sample_records import a_full_run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.bed.mongo_server import MongoServer


def test_a_store_that_is_there_is_written_to_and_has_the_same_runs_as_before(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/runs.db"
    with closing(open_store(uri)) as store:
        store.put_run(a_full_run())
    assert examine_store(uri).status == "ok"
    with closing(open_store(uri, must_exist=True)) as store:
        assert store.runs() == [a_full_run()]


def test_a_store_that_is_not_there_yet_is_not_made(tmp_path: Path) -> None:
    finding = examine_store(f"sqlite:///{tmp_path}/runs.db")
    assert finding.status == "ok"
    assert "not there yet, and can be made" in finding.text
    assert not list(tmp_path.iterdir())


def test_a_database_without_runs_is_written_to_and_left_without_collections_of_records(
    shared_mongo: MongoServer,
) -> None:
    uri = shared_mongo.uri(f"t{uuid4().hex}")
    finding = examine_store(uri)
    assert finding.status == "ok"
    assert finding.text.endswith("can be written to; the first run will make its collections and indexes")
    with MongoClient[dict[str, Any]](uri) as client:
        database = client.get_default_database()
        assert [name for name in database.list_collection_names() if database[name].find_one()] == []
        assert RUNS not in database.list_collection_names()


def test_a_database_with_runs_is_written_to_and_has_the_same_runs_as_before(
    shared_mongo: MongoServer,
) -> None:
    uri = shared_mongo.uri(f"t{uuid4().hex}")
    with closing(open_store(uri)) as store:
        store.put_run(a_full_run())
    assert examine_store(uri).text.endswith("can be written to")
    with closing(open_store(uri, must_exist=True)) as store:
        assert store.runs() == [a_full_run()]


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is no directory .*; make it"):
        examine_store(f"sqlite:///{tmp_path}/no/runs.db")


def test_a_file_that_is_no_store_is_told(tmp_path: Path) -> None:
    (tmp_path / "notes.db").write_text("x" * 4096)
    with pytest.raises(UserError, match="is not a SQLite database"):
        examine_store(f"sqlite:///{tmp_path}/notes.db")


def test_a_store_that_another_program_holds_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swarm_ext.store.sqlite_file.BUSY_TIMEOUT_SECONDS", 0.1)
    uri = f"sqlite:///{tmp_path}/runs.db"
    open_store(uri).close()
    with closing(sqlite3.connect(tmp_path / "runs.db", isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises((StoreError, UserError), match=r"end that program|locked"):
            examine_store(uri)


def test_little_room_is_a_warning() -> None:
    assert judge_room("fine", 10**11).status == "ok"
    assert judge_room("fine", 10**7).status == "warning"


def test_what_waits_in_the_spool_is_told_with_how_to_ship_it() -> None:
    assert judge_spool("spool.db", {}, "mongodb://db/runs").status == "ok"
    finding = judge_spool("spool.db", {"a": 1200, "b": 34}, "mongodb://db/runs")
    assert finding.status == "warning"
    assert finding.text.startswith("1,234 records of 2 runs wait in spool.db")
    assert finding.remedy is not None
    assert "`swarm-ext runs ship --store mongodb://db/runs --spool spool.db`" in finding.remedy


# what hangs


def test_what_hangs_is_left_to_itself_when_its_time_is_over() -> None:
    begun = Bounded(lambda: time.sleep(2.0), 0.05)
    with pytest.raises(OverdueError, match=r"no answer within 0\.05 s"):
        begun.result()
    begun._thread.join()


def test_what_fails_is_raised_where_it_is_asked_for() -> None:
    begun: Bounded[int] = Bounded(lambda: int("x"), 5.0)
    with pytest.raises(ValueError, match="invalid literal"):
        begun.result()


def test_things_are_done_side_by_side() -> None:
    assert [each.result() for each in [Bounded(lambda n=n: n, 5.0) for n in range(3)]] == [0, 1, 2]
