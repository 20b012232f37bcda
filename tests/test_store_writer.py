"""The writer between events and store: it never blocks, never raises, loses nothing it can keep, and counts the rest."""

from __future__ import annotations

import gc
import json
import logging
import re
import sqlite3
import subprocess
import sys
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import gevent
import msgspec
import psutil
import pytest

from swarm_ext.model import RECORD_TYPES, ContainerSample, Trouble
from swarm_ext.store import UnknownRunError, open_run_store, open_store
from swarm_ext.store.writer import StoreWriter
from tests.sample_records import RUN_ID, a_container_sample, a_full_run, a_run, one_record_of_every_kind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from swarm_ext.store.sqlite import SQLiteStore
    from tests.integration.bed.mongo_server import MongoServer

PATIENCE_SECONDS = 30.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs.db"


@pytest.fixture
def store(path: Path) -> Iterator[SQLiteStore]:
    store: SQLiteStore = open_store(f"sqlite:///{path}")  # type: ignore[assignment]
    store.put_run(a_run())
    store._database.connection.execute("PRAGMA busy_timeout=20")  # so that a lock is a failure soon
    yield store
    store.close()


@contextmanager
def writing(store: SQLiteStore, **settings: object) -> Iterator[StoreWriter]:
    writer = StoreWriter(store, batch_seconds=0.01, **settings)  # type: ignore[arg-type]
    try:
        yield writer
    finally:
        writer.close(PATIENCE_SECONDS)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another program in the middle of a write."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.close()


def until(condition: object) -> None:
    """Wait for a condition, a callable, in bounded time."""
    assert callable(condition)
    with gevent.Timeout(PATIENCE_SECONDS):
        while not condition():
            gevent.sleep(0.005)


def stored(store: SQLiteStore) -> list[float | None]:
    return [sample.cpu_usage_seconds for sample in store.read(RUN_ID, ContainerSample)]


def test_what_is_asked_of_the_store_is_answered_between_two_batches(
    store: SQLiteStore, capfd: pytest.CaptureFixture[str]
) -> None:
    with writing(store) as writer:
        writer.put([a_container_sample()])
        assert writer.flush(PATIENCE_SECONDS)
        assert writer.ask(lambda asked: asked.counts(RUN_ID))["ContainerSample"] == 1
        with pytest.raises(UnknownRunError):
            writer.ask(lambda asked: asked.run("nobody"))
        assert capfd.readouterr().err == ""
        writer.put([a_container_sample(1)])
        assert writer.flush(PATIENCE_SECONDS)


def test_what_is_put_is_stored_soon_and_counted(store: SQLiteStore) -> None:
    with writing(store) as writer:
        writer.put(one_record_of_every_kind())
        assert (writer.written, writer.pending, writer.lost) == (0, 5, 0)  # nothing was waited for
        assert not any(store.counts(RUN_ID).values())
        until(lambda: writer.written == len(RECORD_TYPES))
        assert (writer.pending, writer.lost, writer.troubles()) == (0, 0, [])
    assert all(store.counts(RUN_ID).values())


def test_flush_writes_at_once_and_says_that_nothing_waits(store: SQLiteStore) -> None:
    writer = StoreWriter(store, batch_seconds=1000)
    assert writer.flush(0)
    writer.put([a_container_sample(n) for n in range(25_000)])  # more than a batch
    assert not writer.flush(0)
    assert writer.flush(PATIENCE_SECONDS)
    assert (writer.written, writer.pending) == (25_000, 0)
    assert writer.close(PATIENCE_SECONDS)
    assert store.counts(RUN_ID)["ContainerSample"] == 25_000


def test_a_run_is_stored_before_its_records_and_the_latest_of_several_wins(store: SQLiteStore) -> None:
    with writing(store) as writer:
        writer.put([a_container_sample(0, "another")])
        writer.put_run(a_run("another"))
        writer.put_run(a_run())
        writer.put_run(a_full_run())
        assert writer.flush(PATIENCE_SECONDS)
        assert writer.troubles() == []
    assert store.counts("another")["ContainerSample"] == 1
    assert store.run(RUN_ID) == a_full_run()


def test_a_run_that_is_put_while_an_older_state_of_it_is_being_written_is_written_too(
    store: SQLiteStore, path: Path
) -> None:
    store._database.connection.execute("PRAGMA busy_timeout=30000")
    with writing(store) as writer:
        with locked(path):
            writer.put_run(a_run())
            until(lambda: len(writer._pool) == 1)
            writer.put_run(a_full_run())
        assert writer.flush(PATIENCE_SECONDS)
    assert store.run(RUN_ID) == a_full_run()


def test_a_store_that_fails_for_a_while_loses_nothing_and_is_told_of_twice(
    store: SQLiteStore, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[Trouble | None] = []
    with writing(store, on_state=told.append) as writer:
        with locked(path):
            writer.put([a_container_sample(0)])
            until(lambda: writer.troubles() and writer.troubles()[0].count >= 3)
            writer.put([a_container_sample(1)])
            assert (writer.written, writer.pending) == (0, 2)
        assert writer.flush(PATIENCE_SECONDS)
        assert (writer.written, writer.pending, writer.lost) == (2, 0, 0)
        writer.put([a_container_sample(2)])
        assert writer.flush(PATIENCE_SECONDS)
        (trouble,) = writer.troubles()
    assert stored(store) == [0.1, 1.1, 2.1]
    assert trouble.source == "store"
    assert "could not be written: database is locked" in trouble.message
    assert [state and state.message for state in told] == [trouble.message, None]
    assert [record.levelno for record in caplog.records] == [logging.ERROR, logging.WARNING]
    assert "it is tried again, with 1 records waiting" in caplog.messages[0]
    assert re.search(r"can be written again, after \d+ s; 0 records lost", caplog.messages[1])


def test_a_full_disk_is_waited_for(store: SQLiteStore) -> None:
    (pages,) = store._database.connection.execute("PRAGMA page_count").fetchone()
    store._database.connection.execute(f"PRAGMA max_page_count={pages + 10}")
    with writing(store) as writer:
        writer.put([a_container_sample(n) for n in range(5000)])
        until(writer.troubles)
        assert "database or disk is full" in writer.troubles()[0].message
        store._database.connection.execute("PRAGMA max_page_count=1000000")
        assert writer.flush(PATIENCE_SECONDS)
    assert store.counts(RUN_ID)["ContainerSample"] == 5000


def test_over_the_bound_what_comes_is_lost_and_what_waits_is_kept(
    store: SQLiteStore, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with writing(store, max_pending=10) as writer:
        with locked(path):
            writer.put([a_container_sample(n) for n in range(8)])
            writer.put([a_container_sample(n) for n in range(8, 16)])
            writer.put([a_container_sample(16)])
            assert (writer.pending, writer.lost) == (10, 7)
            until(writer.troubles)
        assert writer.flush(PATIENCE_SECONDS)
        writer.put([a_container_sample(17)])
        assert writer.flush(PATIENCE_SECONDS)
        assert (writer.written, writer.pending, writer.lost) == (11, 0, 7)
        assert [(trouble.source, trouble.count) for trouble in writer.troubles()][-1] == ("store", 7)
    assert stored(store) == [n + 0.1 for n in (*range(10), 17)]
    assert sum("they are lost" in message for message in caplog.messages) == 1


def test_a_record_that_can_never_be_stored_is_lost_alone(
    store: SQLiteStore, caplog: pytest.LogCaptureFixture
) -> None:
    samples = [a_container_sample(n) for n in range(100)]
    for number in (0, 41, 42, 99):
        samples[number] = msgspec.structs.replace(samples[number], memory_limit_bytes=2**64 - 1)
    with writing(store) as writer:
        writer.put_run(msgspec.structs.replace(a_run("bad"), options={"x": object()}))
        writer.put(samples)
        assert writer.flush(PATIENCE_SECONDS)
        assert (writer.written, writer.pending, writer.lost) == (96, 0, 4)
        (trouble,) = writer.troubles()
    assert trouble.count == 5
    assert "can never be stored" in trouble.message
    assert "int too large" in trouble.message
    assert len(stored(store)) == 96
    assert len(caplog.records) == 1


def test_whatever_the_store_raises_the_writer_goes_on(
    store: SQLiteStore, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def listener(_state: Trouble | None) -> None:
        raise RuntimeError("a listener's own mistake")

    with writing(store, on_state=listener) as writer:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("ALTER TABLE container_samples RENAME TO gone")
        writer.put([a_container_sample()])
        until(writer.troubles)
        assert "no such table" in writer.troubles()[0].message
        other.execute("ALTER TABLE gone RENAME TO container_samples")
        other.close()
        assert writer.flush(PATIENCE_SECONDS)
        assert "a listener to the state of the store failed" in caplog.messages


def test_at_the_end_what_could_not_be_written_is_counted_as_lost_and_nothing_is_left_behind(
    store: SQLiteStore, path: Path
) -> None:
    def living_greenlets() -> int:
        # by type: a weak reference answers for what it refers to, which may be gone
        return sum(issubclass(type(thing), gevent.Greenlet) and not thing.dead for thing in gc.get_objects())

    gevent.sleep(0)
    threads, greenlets = psutil.Process().num_threads(), living_greenlets()
    with locked(path):
        writer = StoreWriter(store, batch_seconds=0.01)
        writer.put([a_container_sample(n) for n in range(3)])
        writer.put_run(a_full_run())
        until(writer.troubles)
        assert psutil.Process().num_threads() > threads
        assert not writer.close(0.05)
    assert (writer.written, writer.pending, writer.lost) == (0, 0, 3)
    until(lambda: psutil.Process().num_threads() == threads and living_greenlets() == greenlets)
    writer.put([a_container_sample()])
    writer.put_run(a_full_run())
    writer.close(PATIENCE_SECONDS)
    assert (writer.pending, writer.lost) == (0, 4)
    assert stored(store) == []


def test_what_has_not_arrived_at_the_end_is_kept_and_told(mongo: MongoServer, tmp_path: Path) -> None:
    spool = str(tmp_path / "spool.db")
    with closing(open_run_store(f"{mongo.uri()}?serverSelectionTimeoutMS=100", spool=spool)) as store:
        writer = StoreWriter(store, batch_seconds=0.01)
        writer.put_run(a_run())
        writer.put([a_container_sample(n) for n in range(10)])
        assert writer.flush(PATIENCE_SECONDS)
        assert (writer.written, writer.pending, writer.lost) == (10, 0, 0)
        assert not any("wait" in trouble.message for trouble in writer.troubles())  # it may still arrive
        assert not writer.close(0.2)
        assert writer.lost == 0
        assert [trouble.count for trouble in writer.troubles() if "wait in the spool" in trouble.message] == [
            10
        ]
        mongo.start()
        again = StoreWriter(store, batch_seconds=0.01)
        again.put_run(a_full_run())
        assert again.close(PATIENCE_SECONDS)
        assert not any("wait" in trouble.message for trouble in again.troubles())
        assert store.counts(RUN_ID)["ContainerSample"] == 10


def test_a_writer_that_was_never_used_closes(store: SQLiteStore) -> None:
    writer = StoreWriter(store)
    assert writer.close(PATIENCE_SECONDS)
    assert writer.close(PATIENCE_SECONDS)


TICKING = """
from gevent import monkey
monkey.patch_all()
import json, sqlite3, sys
import gevent
from swarm_ext.store import UnknownRunError, open_store
from swarm_ext.store.writer import StoreWriter
from tests.sample_records import RUN_ID, a_container_sample, a_run

path = sys.argv[1]
store = open_store(f"sqlite:///{path}")
store.put_run(a_run())
store._database.connection.execute("PRAGMA busy_timeout=60000")
other = sqlite3.connect(path, isolation_level=None)
other.execute("BEGIN IMMEDIATE")
writer = StoreWriter(store, batch_seconds=0.001)
writer.put([a_container_sample(n) for n in range(20_000)])
ticks = 0
for _ in range(200):
    gevent.sleep(0.001)
    ticks += writer.pending == 20_000
other.close()
while writer.pending:
    gevent.sleep(0.001)
    ticks += 1
print(json.dumps({
    "ticks": ticks, "flushed": writer.close(60), "written": writer.written, "troubles": len(writer.troubles()),
    "stored": store.counts(RUN_ID)["ContainerSample"],
}))
store.close()
"""


def test_the_event_loop_goes_on_while_a_write_is_slow_in_a_patched_process(path: Path) -> None:
    """The lock is let go only after 200 ticks: a loop that stood still would never get there."""
    done = subprocess.run(
        [sys.executable, "-c", TICKING, str(path)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stderr == ""
    result = json.loads(done.stdout)
    assert result.pop("ticks") > 200
    assert result == {"flushed": True, "written": 20_000, "troubles": 0, "stored": 20_000}
