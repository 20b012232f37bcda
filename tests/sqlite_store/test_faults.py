"""What goes wrong with a store: full disks, lost files, broken rows, killed and competing processes."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from swarm_ext.model import RECORD_TYPES, ContainerSample, LoadSample
from swarm_ext.store import Store, StoreError, open_store
from tests.sample_records import RUN_ID, a_container_sample, a_run, one_record_of_every_kind

if TYPE_CHECKING:
    from pathlib import Path

    from swarm_ext.store.sqlite import SQLiteStore


def test_a_full_disk_is_one_line_and_nothing_of_the_batch_is_there(store: SQLiteStore) -> None:
    store.put_run(a_run())
    (pages,) = store._database.connection.execute("PRAGMA page_count").fetchone()
    store._database.connection.execute(f"PRAGMA max_page_count={pages + 10}")
    with pytest.raises(
        StoreError, match="could not be written: database or disk is full; make room"
    ) as error:
        store.write([a_container_sample(n) for n in range(5000)])
    assert "\n" not in str(error.value)
    assert store.counts(RUN_ID)["ContainerSample"] == 0
    store._database.connection.execute("PRAGMA max_page_count=100000")
    store.write([a_container_sample()])
    assert store.counts(RUN_ID)["ContainerSample"] == 1


def test_a_file_that_is_removed_while_it_is_open_is_noticed(store: Store, path: Path) -> None:
    store.put_run(a_run())
    path.rename(path.with_suffix(".moved"))
    with pytest.raises(StoreError, match="was removed or replaced while it was open"):
        store.write([a_container_sample()])
    path.write_bytes(b"")
    with pytest.raises(StoreError, match="was removed or replaced while it was open"):
        store.put_run(a_run())


def test_a_row_that_somebody_broke_is_one_line(store: Store, path: Path) -> None:
    store.put_run(a_run())
    store.write(one_record_of_every_kind())
    connection = sqlite3.connect(path)
    connection.execute("UPDATE load_samples SET response_times = '{'")
    connection.execute("UPDATE runs SET run = '{}'")
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match="could not be read"):
        list(store.read(RUN_ID, LoadSample))
    with pytest.raises(StoreError, match="could not be read: Object missing required field"):
        store.runs()


def test_a_store_opened_in_one_thread_is_used_in_another(store: Store) -> None:
    def use() -> None:
        store.put_run(a_run())
        store.write(one_record_of_every_kind())

    thread = Thread(target=use)
    thread.start()
    thread.join()
    assert sum(store.counts(RUN_ID).values()) == len(RECORD_TYPES)


# Several processes

WRITER = """
import sys
from swarm_ext.store import open_store
from tests.sample_records import a_container_sample, a_run

uri, run_id, batches = sys.argv[1], sys.argv[2], int(sys.argv[3])
store = open_store(uri)
store.put_run(a_run(run_id))
for batch in range(batches):
    store.write([a_container_sample(n, run_id) for n in range(100 * batch, 100 * batch + 100)])
    print(batch + 1, flush=True)
store.close()
"""


def writer(path: Path, run_id: str, batches: int) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", WRITER, f"sqlite:///{path}", run_id, str(batches)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)


def test_processes_that_make_and_write_one_file_at_the_same_time_all_succeed_while_it_is_read(
    path: Path,
) -> None:
    writers = [writer(path, f"run-{number}", 20) for number in range(3)]
    for process in writers:
        assert process.stdout is not None
        assert process.stdout.readline() == "1\n"
    store = open_store(f"sqlite:///{path}", must_exist=True)
    seen = store.counts("run-0")["ContainerSample"]
    assert seen > 0
    assert seen % 100 == 0  # never half a batch
    for process in writers:
        process.communicate(timeout=60)
        assert process.returncode == 0
    assert [store.counts(run.id)["ContainerSample"] for run in store.runs()] == [2000, 2000, 2000]
    store.close()


def test_a_killed_process_leaves_whole_batches_and_all_that_it_had_stored(path: Path) -> None:
    process = writer(path, "killed", 1_000_000)
    assert process.stdout is not None
    while int(process.stdout.readline()) < 5:
        pass
    process.send_signal(signal.SIGKILL)
    acknowledged = 5 + len(process.communicate(timeout=60)[0].splitlines())
    store = open_store(f"sqlite:///{path}", must_exist=True)
    count = store.counts("killed")["ContainerSample"]
    assert sum(1 for _ in store.read("killed", ContainerSample)) == count
    assert count in {100 * acknowledged, 100 * (acknowledged + 1)}
    store.write([a_container_sample(-1, "killed")])
    store.close()


def test_a_store_needs_neither_locust_nor_anything_else_that_is_heavy() -> None:
    code = (
        "import sys, swarm_ext.run_id, swarm_ext.store.sqlite;"
        "print({'locust', 'gevent', 'pandas', 'requests'} & set(sys.modules))"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "set()\n"
    )
