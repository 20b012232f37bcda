"""The spool's file: nothing leaves it that may be needed again, it stays within its bound, and any number may share it."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from swarm_ext.errors import UserError
from swarm_ext.store import StoreError, UnstorableRecordError, open_store
from swarm_ext.store.spool import NewRecord, Spool
from swarm_ext.store.spool_bound import SpoolFullError
from swarm_ext.store.spool_owner import SpoolOwner, is_alive

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from swarm_ext.store.spool import SpooledRun

TARGET = "mongodb://db:27017/runs"
LIMIT_BYTES = 2_000_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool.db"


@pytest.fixture
def spool(path: Path) -> Iterator[Spool]:
    with closing(Spool(str(path), limit_bytes=LIMIT_BYTES)) as spool:
        spool.put_run(TARGET, "r1", "owner", b"the run")
        yield spool


def records(*numbers: int, run_id: str = "r1", size: int = 10) -> list[NewRecord]:
    return [
        NewRecord(
            run_id, "load_samples", f"{run_id}:{number}", number, bytes(str(number), "ascii").ljust(size)
        )
        for number in numbers
    ]


def the_run(spool: Spool, run_id: str = "r1") -> SpooledRun:
    return next(run for run in spool.runs(TARGET) if run.id == run_id)


def waiting(spool: Spool, run_id: str = "r1") -> list[int]:
    batch = spool.batch(the_run(spool, run_id), until=None, records=10**6, total_bytes=10**9)
    return [int(record.document) for record in batch]


def acknowledge(spool: Spool, count: int) -> SpooledRun:
    run = the_run(spool)
    batch = spool.batch(run, until=None, records=count, total_bytes=10**9)
    spool.acknowledge(run, batch, [])
    return run


def test_records_wait_in_the_order_in_which_they_came_each_once(spool: Spool) -> None:
    spool.add(TARGET, records(3, 1))
    spool.add(TARGET, records(1, 2))
    assert waiting(spool) == [3, 1, 2]
    assert spool.kept(the_run(spool)) == {"load_samples": 3}


def test_a_batch_is_as_large_as_asked_for_but_never_empty(spool: Spool) -> None:
    spool.add(TARGET, records(1, 2, 3, 4, size=100))
    run = the_run(spool)
    for limits, expected in (((2, 10**9), 2), ((10, 250), 2), ((10, 1), 1)):
        batch = spool.batch(run, until=None, records=limits[0], total_bytes=limits[1])
        assert len(batch) == expected
    assert len(spool.batch(run, until=batch[0].number + 2, records=10, total_bytes=10**9)) == 3


def test_what_is_acknowledged_stays_and_can_be_sent_again(spool: Spool) -> None:
    spool.add(TARGET, records(1, 2, 3))
    spool.run_stored(the_run(spool))
    acknowledge(spool, 2)
    assert waiting(spool) == [3]
    assert spool.kept(the_run(spool)) == {"load_samples": 3}
    spool.send_again(the_run(spool).number, after=1)
    assert waiting(spool) == [2, 3]
    assert the_run(spool).stored_version == 1
    spool.send_again(the_run(spool).number, after=0)
    assert waiting(spool) == [1, 2, 3]
    assert the_run(spool).stored_version == 0


def test_a_mark_that_was_set_back_meanwhile_does_not_move_on(spool: Spool) -> None:
    """Two ship the same run; one of them has learnt that the server forgot."""
    spool.add(TARGET, records(1, 2, 3))
    acknowledge(spool, 2)
    slow = the_run(spool)
    batch = spool.batch(slow, until=None, records=10, total_bytes=10**9)
    spool.send_again(slow.number, after=0)
    spool.acknowledge(slow, batch, [])
    assert waiting(spool) == [1, 2, 3]


def test_what_is_refused_leaves_and_its_number_is_never_used_again(spool: Spool) -> None:
    spool.add(TARGET, records(1, 2))
    run = the_run(spool)
    batch = spool.batch(run, until=None, records=10, total_bytes=10**9)
    spool.acknowledge(run, batch, batch[1:])
    assert spool.kept(run) == {"load_samples": 1}
    spool.add(TARGET, records(3))
    assert waiting(spool) == [3]  # it does not lie below the mark, where nobody would look for it


def test_a_record_of_a_run_that_was_never_put_is_refused_with_its_batch(spool: Spool) -> None:
    with pytest.raises(UnstorableRecordError, match="put the run first"):
        spool.add(TARGET, [*records(1), *records(2, run_id="never")])
    with pytest.raises(UnstorableRecordError, match="put the run first"):
        spool.add("mongodb://another:27017/runs", records(1))
    assert waiting(spool) == []


def test_a_run_that_is_put_again_is_to_be_stored_again_and_goes_on(spool: Spool) -> None:
    spool.run_stored(the_run(spool))
    assert not the_run(spool).waits
    spool.end(TARGET, ["r1"])
    assert the_run(spool).ended
    old = the_run(spool)
    spool.put_run(TARGET, "r1", "somebody else", b"more of the run")
    new = the_run(spool)
    assert (new.waits, bool(new.ended), new.owner) == (True, False, "somebody else")
    assert spool.document(new) == b"more of the run"
    spool.run_stored(old)  # what was stored is an older state
    assert the_run(spool).waits


def test_a_run_is_forgotten_but_not_what_came_after_it_was_looked_at(spool: Spool) -> None:
    spool.add(TARGET, records(1, 2))
    run = the_run(spool)
    spool.add(TARGET, records(3))
    spool.forget(run)
    assert waiting(spool) == [3]
    run = the_run(spool)
    spool.put_run(TARGET, "r1", "owner", b"more of the run")
    spool.forget(run)
    assert [each.id for each in spool.runs()] == ["r1"]
    spool.forget(the_run(spool))
    assert spool.runs() == []


def test_what_is_older_than_a_moment_leaves(spool: Spool) -> None:
    spool.add(TARGET, records(*range(25)))
    spool.prune(the_run(spool), 20)
    assert waiting(spool) == [20, 21, 22, 23, 24]


# The bound


def test_at_the_bound_the_oldest_acknowledged_leave_and_are_counted(spool: Spool, path: Path) -> None:
    for first in range(0, 1200, 100):
        spool.add(TARGET, records(*range(first, first + 100), size=1000))
    acknowledge(spool, 1000)
    for first in range(1200, 2000, 100):
        spool.add(TARGET, records(*range(first, first + 100), size=1000))
    assert waiting(spool) == list(range(1000, 2000))
    kept = spool.kept(the_run(spool))["load_samples"]
    assert 1000 <= kept < 1500
    assert kept + spool.released(the_run(spool))["load_samples"] == 2000
    assert path.stat().st_size < 1.1 * LIMIT_BYTES


def test_when_nothing_is_acknowledged_it_is_full_and_nothing_is_lost(spool: Spool, path: Path) -> None:
    taken = 0

    def fill() -> None:
        nonlocal taken
        for first in range(0, 100_000, 100):
            spool.add(TARGET, records(*range(first, first + 100), size=1000))
            taken += 100

    with pytest.raises(SpoolFullError, match=r"as large as --spool-limit allows \(2 MB\)"):
        fill()
    assert waiting(spool) == list(range(taken))
    assert path.stat().st_size < 1.1 * LIMIT_BYTES
    acknowledge(spool, 500)
    spool.add(TARGET, records(*range(taken, taken + 100), size=1000))
    assert waiting(spool) == list(range(500, taken + 100))


def test_an_empty_spool_takes_even_what_is_larger_than_its_bound(spool: Spool) -> None:
    spool.add(TARGET, records(*range(30), size=100_000))
    assert len(waiting(spool)) == 30


def test_a_full_disk_is_one_line(spool: Spool) -> None:
    (pages,) = spool._connection.execute("PRAGMA page_count").fetchone()
    spool._connection.execute(f"PRAGMA max_page_count={pages + 5}")
    with pytest.raises(StoreError, match="database or disk is full; make room"):
        spool.add(TARGET, records(*range(500), size=1000))
    assert waiting(spool) == []


# Who may have it open


def test_what_one_process_adds_another_sees(spool: Spool, path: Path) -> None:
    with closing(Spool(str(path), limit_bytes=LIMIT_BYTES)) as other:
        other.put_run(TARGET, "r2", "another owner", b"its run")
        other.add(TARGET, records(7, run_id="r2"))
        spool.add(TARGET, records(1))
        assert waiting(spool, "r2") == [7]
        assert waiting(other) == [1]
        assert [run.id for run in other.runs()] == ["r1", "r2"]
        assert other.runs("mongodb://another:27017/runs") == []


def test_a_store_is_not_taken_for_a_spool_nor_a_spool_for_a_store(tmp_path: Path, spool: Spool) -> None:
    open_store(f"sqlite:///{tmp_path}/runs.db").close()
    with pytest.raises(UserError, match="belongs to another application"):
        Spool(str(tmp_path / "runs.db"), limit_bytes=LIMIT_BYTES)
    with pytest.raises(UserError, match="belongs to another application"):
        open_store(f"sqlite:///{spool.path}")


def test_a_spool_that_is_removed_while_it_is_open_is_noticed(spool: Spool, path: Path) -> None:
    path.rename(path.with_suffix(".moved"))
    with pytest.raises(StoreError, match="was removed or replaced"):
        spool.add(TARGET, records(1))


def test_an_owner_lives_until_it_closes(path: Path) -> None:
    owner = SpoolOwner(path)
    assert is_alive(path, owner.name)
    assert is_alive(path, owner.name)
    owner.close()
    owner.close()
    assert not is_alive(path, owner.name)
    assert list(path.parent.iterdir()) == []


def test_an_owner_that_was_killed_does_not_live_and_leaves_nothing_for_long(path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from swarm_ext.store.spool_owner import SpoolOwner;"
        f"owner = SpoolOwner(Path({str(path)!r})); print(owner.name, flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        name = process.stdout.readline().strip()
        assert is_alive(path, name)
        process.send_signal(signal.SIGKILL)
    assert not is_alive(path, name)
    assert list(path.parent.iterdir()) == []
