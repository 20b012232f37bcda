"""What is stored is what is read, in every store: the interface `Store`, kept by SQLite, by MongoDB, and by the spool before it."""

from __future__ import annotations

import re
import tracemalloc
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING
from uuid import uuid4

import msgspec
import pytest

from swarm_ext.model import RECORD_TYPES, ContainerSample, Record
from swarm_ext.run_id import new_run_id
from swarm_ext.store import (
    Store,
    StoreError,
    UnknownRunError,
    UnstorableRecordError,
    open_run_store,
    open_store,
)
from tests.sample_records import (
    RUN_ID,
    START,
    a_container_sample,
    a_full_run,
    a_run,
    an_empty_container_sample,
    one_record_of_every_kind,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(params=["sqlite", "mongodb", "spool"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Every store that there is, empty."""
    if request.param == "sqlite":
        store = open_store(f"sqlite:///{tmp_path}/runs.db")
    else:
        uri = request.getfixturevalue("shared_mongo").uri(f"t{uuid4().hex}")
        store = (
            open_store(uri)
            if request.param == "mongodb"
            else open_run_store(uri, spool=str(tmp_path / "spool.db"), required=True)
        )
    yield store
    store.close()


# Records: what goes in comes out


def test_there_is_a_sample_of_every_kind_of_record_to_try() -> None:
    assert tuple(type(record) for record in one_record_of_every_kind()) == RECORD_TYPES


@pytest.mark.parametrize("record", [*one_record_of_every_kind(), an_empty_container_sample()])
def test_a_record_is_read_as_it_was_written(store: Store, record: Record) -> None:
    store.put_run(a_run())
    store.write([record])
    assert list(store.read(RUN_ID, type(record))) == [record]


def test_records_of_mixed_kinds_are_written_at_once_and_counted_by_kind(store: Store) -> None:
    store.put_run(a_run())
    store.write([*one_record_of_every_kind(), a_container_sample(1)])
    store.write([])
    assert store.counts(RUN_ID) == {kind.__name__: 1 for kind in RECORD_TYPES} | {"ContainerSample": 2}


def test_a_time_in_another_zone_is_the_same_time_in_utc(store: Store) -> None:
    store.put_run(a_run())
    elsewhere = START.astimezone(timezone(timedelta(hours=5, minutes=45)))
    store.write([msgspec.structs.replace(a_container_sample(), timestamp=elsewhere)])
    (read,) = store.read(RUN_ID, ContainerSample)
    assert read.timestamp == START
    assert read.timestamp.tzinfo is UTC


def test_a_value_that_is_not_a_number_is_read_as_no_measurement(store: Store) -> None:
    store.put_run(a_run())
    store.write([msgspec.structs.replace(a_container_sample(), cpu_usage_cores=float("nan"))])
    assert next(store.read(RUN_ID, ContainerSample)).cpu_usage_cores is None


def test_a_record_written_twice_is_stored_once_and_stays_as_it_was(store: Store) -> None:
    store.put_run(a_run())
    store.write([a_container_sample(), a_container_sample()])
    store.write([msgspec.structs.replace(a_container_sample(), node="another"), a_container_sample(1)])
    assert list(store.read(RUN_ID, ContainerSample)) == [a_container_sample(), a_container_sample(1)]


def test_records_are_read_by_ascending_timestamp_and_only_those_of_the_run(store: Store) -> None:
    store.put_run(a_run())
    store.put_run(a_run("another"))
    store.write([a_container_sample(n) for n in (3, 0, 1_000_000, 2)] + [a_container_sample(1, "another")])
    read = [sample.cpu_usage_seconds for sample in store.read(RUN_ID, ContainerSample)]
    assert read == [0.1, 2.1, 3.1, 1_000_000.1]
    assert list(store.read("unknown", ContainerSample)) == []


def test_reading_a_long_run_takes_no_more_memory_than_a_short_one(store: Store) -> None:
    store.put_run(a_run())
    store.write([a_container_sample(n) for n in range(10_000)])
    tracemalloc.start()
    count = sum(1 for _ in store.read(RUN_ID, ContainerSample))
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 10_000
    assert peak_bytes < 2_000_000  # they are twice that and more


def test_records_may_be_written_while_others_are_being_read(store: Store) -> None:
    store.put_run(a_run())
    store.write([a_container_sample(n) for n in range(1000)])
    reading = store.read(RUN_ID, ContainerSample)
    next(reading)
    store.write([a_container_sample(-1)])
    assert sum(1 for _ in reading) == 999
    assert store.counts(RUN_ID)["ContainerSample"] == 1001


def test_one_record_that_cannot_be_stored_keeps_its_whole_batch_out(store: Store) -> None:
    store.put_run(a_run())
    good = a_container_sample()
    replace = msgspec.structs.replace
    for bad, reason in [
        (replace(good, memory_limit_bytes=2**64 - 1), "int too large|8-byte ints"),
        (replace(good, node="\udc80"), "surrogates"),
        (replace(good, timestamp=START.replace(tzinfo=None)), "no time zone"),
        (replace(good, node=None), "NOT NULL"),
        (replace(good, node=object()), "not supported|cannot encode"),
        (replace(good, run_id="never put"), "put the run first"),
        (a_run(), "Run is not a kind of record"),
    ]:
        with pytest.raises(UnstorableRecordError, match=reason) as error:
            store.write([good, bad])  # type: ignore[list-item]
        assert "\n" not in str(error.value)
    with pytest.raises(UnstorableRecordError, match="run broken cannot be stored"):
        store.put_run(msgspec.structs.replace(a_run("broken"), options={"object": object()}))
    assert store.counts(RUN_ID)["ContainerSample"] == 0
    store.write([good])
    assert store.counts(RUN_ID)["ContainerSample"] == 1


# Runs


def test_a_run_is_read_as_it_was_put_and_put_again_replaces_it_but_not_its_records(store: Store) -> None:
    store.put_run(a_run())
    store.write(one_record_of_every_kind())
    store.put_run(a_full_run())
    assert store.run(RUN_ID) == a_full_run()
    assert store.runs() == [a_full_run()]
    assert sum(store.counts(RUN_ID).values()) == len(RECORD_TYPES)


def test_runs_come_oldest_first_and_latest_is_the_last_to_start(store: Store) -> None:
    for minutes in (2, 0, 1):
        store.put_run(a_run(f"r{minutes}", START + timedelta(minutes=minutes)))
    assert [run.id for run in store.runs()] == ["r0", "r1", "r2"]
    assert store.run("latest").id == "r2"


def test_a_run_is_found_by_an_unambiguous_beginning_of_its_id(store: Store) -> None:
    for run_id in ("20261122-a", "20261122-b", "20261123-c", "20261122"):
        store.put_run(a_run(run_id))
    assert store.run("20261123").id == "20261123-c"
    assert store.run("20261122").id == "20261122"  # exact, although others begin with it
    with pytest.raises(
        UnknownRunError, match=r"'202611' is the beginning of 4 runs .*20261122-b \(2026-11-22T01:47:05Z"
    ):
        store.run("202611")


@pytest.mark.parametrize("run_id", ["", "%", "____", "20261122-015", "'"])
def test_an_unknown_run_is_answered_with_those_that_there_are(store: Store, run_id: str) -> None:
    for number in range(12):
        store.put_run(a_run(f"2026-{number:02}", START + timedelta(days=number)))
    with pytest.raises(UnknownRunError) as error:
        store.run(run_id)
    text = str(error.value)
    assert f"there is no run {run_id!r}" in text or f'there is no run "{run_id}"' in text
    assert re.findall(r"2026-\d\d \(", text) == [f"2026-{number:02} (" for number in range(11, 1, -1)]
    assert "(2026-12-03T01:47:05Z, running)" in text
    assert text.endswith("and 2 more")


@pytest.mark.parametrize("run_id", ["latest", "x"])
def test_a_store_without_runs_says_so(store: Store, run_id: str) -> None:
    with pytest.raises(UnknownRunError, match="it holds no runs yet"):
        store.run(run_id)


def test_a_deleted_run_is_gone_with_all_its_records_and_no_others(store: Store) -> None:
    store.put_run(a_run())
    store.put_run(a_run("another"))
    store.write([*one_record_of_every_kind(), a_container_sample(0, "another")])
    assert store.delete(RUN_ID) == {kind.__name__: 1 for kind in RECORD_TYPES}
    assert [run.id for run in store.runs()] == ["another"]
    assert store.counts("another")["ContainerSample"] == 1
    assert not any(store.counts(RUN_ID).values())
    for unknown in (RUN_ID, "anoth", ""):
        with pytest.raises(UnknownRunError, match="there are: another"):
            store.delete(unknown)
    assert store.counts("another")["ContainerSample"] == 1


def test_a_deleted_run_can_be_put_again(store: Store) -> None:
    store.put_run(a_run())
    store.write(one_record_of_every_kind())
    store.delete(RUN_ID)
    store.put_run(a_run())
    store.write([a_container_sample()])
    assert [run.id for run in store.runs()] == [RUN_ID]
    assert store.counts(RUN_ID) == {kind.__name__: 0 for kind in RECORD_TYPES} | {"ContainerSample": 1}


def test_records_older_than_a_moment_are_deleted_and_the_run_stays(store: Store) -> None:
    store.put_run(a_run())
    store.put_run(a_run("another"))
    store.write([*one_record_of_every_kind(), *(a_container_sample(n) for n in range(1, 10))])
    store.write([a_container_sample(0, "another")])
    cut = START + timedelta(milliseconds=4)
    assert store.prune(RUN_ID, cut) == {kind.__name__: 1 for kind in RECORD_TYPES} | {"ContainerSample": 4}
    assert next(sample.timestamp for sample in store.read(RUN_ID, ContainerSample)) == cut
    assert store.prune(RUN_ID, cut.replace(microsecond=127999)) == {kind.__name__: 0 for kind in RECORD_TYPES}
    assert store.prune(RUN_ID, cut.astimezone(timezone(timedelta(hours=9)))) == store.prune("unknown", cut)
    assert store.run(RUN_ID) == a_run()
    assert store.counts(RUN_ID)["ContainerSample"] == 6
    assert store.counts("another")["ContainerSample"] == 1


def test_a_closed_store_says_so_and_closes_again(store: Store) -> None:
    store.put_run(a_run())
    store.close()
    store.close()
    with pytest.raises(StoreError, match="is closed"):
        store.write([a_container_sample()])
    with pytest.raises(StoreError, match="closed"):
        store.runs()


def test_run_ids_are_readable_utc_sortable_and_not_the_same_twice() -> None:
    kathmandu = timezone(timedelta(hours=5, minutes=45))
    first, second = (new_run_id(datetime(2026, 11, 22, 7, 32, 5, tzinfo=kathmandu)) for _ in range(2))
    assert re.fullmatch(r"20261122-014705-[0-9a-f]{4}", first)
    assert first != second or new_run_id(START) != first
    assert first < new_run_id(START + timedelta(seconds=1))
    with pytest.raises(ValueError, match="without a time zone"):
        new_run_id(datetime(2026, 11, 22))  # noqa: DTZ001
