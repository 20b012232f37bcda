"""From the spool to a real server that is killed, frozen, emptied and restarted: in the end all is there, once."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING

import bson
import msgspec
import pytest
from pymongo import MongoClient

from swarm_ext.commands.run_ship import ship
from swarm_ext.errors import UserError
from swarm_ext.model import RECORD_TYPES, ContainerSample
from swarm_ext.store import StoreError, UnstorableRecordError, open_run_store, open_store
from swarm_ext.store.mongo_client import MongoAddress
from swarm_ext.store.spool import NewRecord, Spool
from swarm_ext.store.spool_store import SpooledStore
from tests.sample_records import (
    RUN_ID,
    a_container_sample,
    a_full_run,
    a_run,
    one_record_of_every_kind,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import Any

    from swarm_ext.commands.run_ship import Shipment
    from tests.integration.bed.mongo_server import MongoServer

PATIENCE_SECONDS = 60.0
LIMIT_BYTES = 100_000_000


@pytest.fixture
def file(tmp_path: Path) -> str:
    return str(tmp_path / "spool.db")


def opened(uri: str, file: str, **settings: Any) -> SpooledStore:
    store = open_run_store(uri, spool=file, **settings)
    assert isinstance(store, SpooledStore)
    return store


@pytest.fixture
def store(mongo: MongoServer, file: str) -> Iterator[SpooledStore]:
    """A store before a server that is up, with a run put to it."""
    mongo.start()
    with closing(opened(mongo.uri(), file)) as store:
        store.put_run(a_run())
        yield store


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it does not come about"
        time.sleep(0.02)


def samples(first: int, after: int, run_id: str = RUN_ID) -> list[ContainerSample]:
    return [a_container_sample(number, run_id) for number in range(first, after)]


def stored(mongo: MongoServer, run_id: str = RUN_ID) -> list[float | None]:
    with closing(open_store(mongo.uri(), must_exist=True)) as store:
        return [sample.cpu_usage_seconds for sample in store.read(run_id, ContainerSample)]


def stored_if_there(mongo: MongoServer) -> list[float | None]:
    try:
        return stored(mongo)
    except UserError:  # there is no run in it yet
        return []


def numbers(first: int, after: int) -> list[float | None]:
    return [sample.cpu_usage_seconds for sample in samples(first, after)]


def shipped(mongo: MongoServer, file: str) -> Shipment:
    return ship(mongo.uri(), file, lambda _done, _total: None)


def waits(file: str) -> bool:
    with closing(Spool(file, limit_bytes=LIMIT_BYTES, must_exist=True)) as spool:
        return any(run.waits for run in spool.runs())


def is_empty(file: str) -> bool:
    with closing(Spool(file, limit_bytes=LIMIT_BYTES, must_exist=True)) as spool:
        return not spool.runs()


# All is well


def test_what_is_written_arrives_soon_and_leaves_the_spool_at_the_runs_end(
    store: SpooledStore, mongo: MongoServer, file: str
) -> None:
    store.write(one_record_of_every_kind())
    until(lambda: not waits(file))
    assert not is_empty(file)
    store.put_run(a_full_run())
    assert store.finish([RUN_ID], PATIENCE_SECONDS)
    assert is_empty(file)
    assert store.troubles(RUN_ID) == []
    with closing(open_store(mongo.uri(), must_exist=True)) as server:
        assert server.run("latest") == a_full_run()
        assert server.counts(RUN_ID) == {kind.__name__: 1 for kind in RECORD_TYPES}


def test_several_runs_of_one_process_each_come_to_their_end(
    store: SpooledStore, mongo: MongoServer, file: str
) -> None:
    for number in range(3):
        run_id = f"run-{number}"
        store.put_run(a_run(run_id))
        store.write(samples(0, 10, run_id))
        assert store.finish([run_id], PATIENCE_SECONDS)
        assert store.troubles(run_id) == []
    assert [len(stored(mongo, f"run-{number}")) for number in range(3)] == [10, 10, 10]
    with closing(Spool(file, limit_bytes=LIMIT_BYTES)) as spool:
        assert [run.id for run in spool.runs()] == [RUN_ID]  # which has not ended


# The server is away


def test_a_server_that_is_killed_and_started_again_has_everything_once_at_the_end(
    store: SpooledStore, mongo: MongoServer
) -> None:
    store.write(samples(0, 1000))
    mongo.kill()
    store.write(samples(1000, 2000))
    until(lambda: store.troubles(RUN_ID))
    store.write(samples(2000, 3000))
    mongo.start()
    store.write(samples(3000, 4000))
    assert store.finish([RUN_ID], PATIENCE_SECONDS)
    assert stored(mongo) == numbers(0, 4000)
    (trouble,) = store.troubles(RUN_ID)
    assert trouble.source == "store"
    assert str(mongo.port) in trouble.message


def test_a_server_that_is_down_for_the_whole_run_gets_all_of_it_when_it_is_shipped(
    mongo: MongoServer, file: str, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(opened(mongo.uri(), file)) as store:
        store.put_run(a_run())
        store.write(samples(0, 1000))
        store.put_run(a_full_run())
        assert not store.finish([RUN_ID], 0.5)
        count, words = next((t.count, t.message) for t in store.troubles(RUN_ID) if "swarm-ext" in t.message)
    assert count == 1000
    assert (
        f"wait in the spool; ship it with: swarm-ext runs ship --store {mongo.uri()} --spool {file}" in words
    )
    assert len(caplog.messages) == 1
    assert "Connection refused; what is to be stored waits in the spool" in caplog.messages[0]
    (waiting,) = shipped(mongo, file).runs
    assert (waiting.state, waiting.shipped, waiting.waiting) == ("waits", 0, 1000)
    assert "Connection refused" in waiting.reason
    mongo.start()
    shipment = shipped(mongo, file)
    (done,) = shipment.runs
    assert (done.state, done.shipped, done.waiting) == ("stored", 1000, 0)
    assert shipment.complete
    assert stored(mongo) == numbers(0, 1000)
    assert is_empty(file)
    assert shipped(mongo, file).runs == []


def test_what_an_earlier_run_left_is_shipped_in_the_background_by_the_next_one(
    mongo: MongoServer, file: str, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(opened(mongo.uri(), file)) as store:
        store.put_run(a_run("earlier"))
        store.write(samples(0, 100, "earlier"))
    mongo.start()
    caplog.clear()
    with closing(opened(mongo.uri(), file)) as store:
        store.put_run(a_run())
        assert store.finish([RUN_ID], PATIENCE_SECONDS)
        assert store.troubles(RUN_ID) == []
        until(lambda: is_empty(file))
    assert stored(mongo, "earlier") == numbers(0, 100)
    assert caplog.messages == [f"The spool {file} has 100 records of earlier runs, which are shipped now"]


def test_a_server_that_hangs_delays_neither_the_writing_nor_the_end(
    store: SpooledStore, mongo: MongoServer, file: str
) -> None:
    store.write(samples(0, 10))
    until(lambda: not waits(file))
    mongo.freeze()
    began = time.monotonic()
    for number in range(10, 60):
        store.write(samples(number, number + 1))
    assert not store.finish([RUN_ID], 1.0)
    assert 50 in [trouble.count for trouble in store.troubles(RUN_ID)]
    store.close()
    assert time.monotonic() - began < 15  # less than any time limit of the driver's
    mongo.thaw()
    assert shipped(mongo, file).complete
    assert stored(mongo) == numbers(0, 60)


# The server forgets


def remove(mongo: MongoServer, **which: Any) -> None:
    with MongoClient(mongo.uri()) as client:
        client["swarm_ext"]["container_samples"].delete_many(which)


def test_after_a_new_connection_the_last_minute_is_sent_again(
    store: SpooledStore, mongo: MongoServer, file: str
) -> None:
    store.write(samples(0, 100))
    until(lambda: not waits(file))
    mongo.kill()
    mongo.start()
    remove(mongo)  # it had acknowledged them, and lost them in the crash
    store.write(samples(100, 101))
    until(lambda: len(stored(mongo)) == 101)
    assert not any("counts fewer" in trouble.message for trouble in store.troubles(RUN_ID))


def test_a_server_that_comes_back_empty_gets_the_run_and_all_its_records_again(
    store: SpooledStore, mongo: MongoServer, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "swarm_ext.store.spool_shipper.SENT_AGAIN_SECONDS", 0
    )  # so that this is not the reason
    store.write(samples(0, 100))
    until(lambda: not waits(file))
    mongo.kill()
    mongo.wipe()
    mongo.start()
    store.write(samples(100, 200))
    until(lambda: stored_if_there(mongo) == numbers(0, 200))  # long before the end
    assert store.finish([RUN_ID], PATIENCE_SECONDS)
    assert stored(mongo) == numbers(0, 200)
    with closing(open_store(mongo.uri(), must_exist=True)) as server:
        assert server.run(RUN_ID) == a_run()


def test_a_database_that_somebody_drops_during_the_run_is_made_anew(
    store: SpooledStore, mongo: MongoServer, file: str
) -> None:
    store.write(samples(0, 100))
    until(lambda: not waits(file))
    with MongoClient(mongo.uri()) as client:
        client.drop_database("swarm_ext")
    store.write(samples(100, 200))  # over the connection that there is: nothing tells of the loss yet
    until(lambda: not waits(file))
    mongo.kill()
    mongo.start()
    store.write(samples(200, 300))
    assert store.finish([RUN_ID], PATIENCE_SECONDS)
    assert stored(mongo) == numbers(0, 300)
    with MongoClient(mongo.uri()) as client:
        assert "by_time" in client["swarm_ext"]["container_samples"].index_information()


def test_a_server_that_counts_fewer_at_the_end_gets_everything_again(
    store: SpooledStore, mongo: MongoServer, file: str
) -> None:
    store.write(samples(0, 100))
    until(lambda: not waits(file))
    remove(mongo, cpu_usage_seconds={"$gt": 50})
    assert store.finish([RUN_ID], PATIENCE_SECONDS)
    assert stored(mongo) == numbers(0, 100)


def test_what_left_the_spool_for_lack_of_room_and_is_then_lost_is_counted(
    mongo: MongoServer, file: str
) -> None:
    mongo.start()
    with closing(SpooledStore(MongoAddress.parse(mongo.uri()), file, limit_bytes=200_000)) as store:
        store.put_run(a_run())
        for first in range(0, 1000, 100):
            store.write(samples(first, first + 100))
            until(lambda: not waits(file))
        remove(mongo)
        assert store.finish([RUN_ID], PATIENCE_SECONDS)
        (lost,) = store.troubles(RUN_ID)
    there = len(stored(mongo))
    assert 0 < there < 1000
    assert lost.count == 1000 - there
    assert "left the spool for lack of room" in lost.message


def test_a_run_that_somebody_deletes_does_not_come_back(
    store: SpooledStore, mongo: MongoServer, file: str
) -> None:
    store.write(samples(0, 100))
    until(lambda: not waits(file))
    with closing(open_store(mongo.uri(), must_exist=True)) as server:
        assert server.delete(RUN_ID)["ContainerSample"] == 100
    store.write(samples(100, 200))
    store.put_run(a_full_run())
    assert store.finish([RUN_ID], PATIENCE_SECONDS)
    assert ["was deleted" in trouble.message for trouble in store.troubles(RUN_ID)] == [True]
    assert is_empty(file)
    with closing(open_store(mongo.uri(), must_exist=True)) as server:
        assert server.runs() == []
        assert not any(server.counts(RUN_ID).values())


def test_a_run_that_is_deleted_while_the_rest_of_it_waits_elsewhere_does_not_come_back(
    mongo: MongoServer, file: str
) -> None:
    mongo.start()
    with closing(opened(mongo.uri(), file)) as store:
        store.put_run(a_run())
        store.write(samples(0, 10))
        until(lambda: not waits(file))
        mongo.kill()
        store.write(samples(10, 20))
    mongo.start()
    with closing(open_store(mongo.uri(), must_exist=True)) as server:
        server.delete(RUN_ID)
    assert [run.state for run in shipped(mongo, file).runs] == ["deleted"]
    assert stored(mongo) == []


def test_old_records_that_were_deleted_on_purpose_do_not_come_back(
    store: SpooledStore, mongo: MongoServer, file: str
) -> None:
    store.write(samples(0, 100))
    until(lambda: not waits(file))
    with closing(open_store(mongo.uri(), must_exist=True)) as server:
        assert server.prune(RUN_ID, samples(60, 61)[0].timestamp)["ContainerSample"] == 60
    assert store.finish([RUN_ID], PATIENCE_SECONDS)
    assert stored(mongo) == numbers(60, 100)
    assert store.troubles(RUN_ID) == []


# What the server will not take


def put_raw(file: str, uri: str, *documents: dict[str, Any]) -> None:
    """Put documents into the spool that our own code would never make."""
    with closing(Spool(file, limit_bytes=LIMIT_BYTES)) as spool:
        target = MongoAddress.parse(uri).target
        spool.add(
            target,
            [
                NewRecord(
                    RUN_ID, "container_samples", str(each["_id"]), 0, bson.encode({"run_id": RUN_ID, **each})
                )
                for each in documents
            ],
        )


@pytest.mark.parametrize(
    ("poison", "reason"),
    [
        ({"$inc": 1}, "key must not start with"),
        ({"x": float("nan")}, "the server fails on it, and takes others"),  # it drops the connection
    ],
)
def test_a_record_that_the_server_can_never_take_is_counted_and_its_neighbours_are_stored(
    mongo: MongoServer, file: str, poison: dict[str, Any], reason: str
) -> None:
    with closing(opened(mongo.uri(), file)) as store:
        store.put_run(a_run())
        store.write(samples(0, 300))
        put_raw(file, mongo.uri(), {"_id": "poison", **poison})
        store.write(samples(300, 600))
        mongo.start()
        assert store.finish([RUN_ID], PATIENCE_SECONDS)
        (refused,) = [trouble for trouble in store.troubles(RUN_ID) if "never" in trouble.message]
    assert refused.count == 1
    assert reason in refused.message
    assert stored(mongo) == numbers(0, 600)
    assert is_empty(file)


def test_shipping_by_hand_gets_past_a_record_that_the_server_can_never_take(
    mongo: MongoServer, file: str
) -> None:
    with closing(opened(mongo.uri(), file)) as store:
        store.put_run(a_run())
        store.write(samples(0, 50))
        put_raw(file, mongo.uri(), {"_id": "poison", "x": float("nan")})
        store.write(samples(50, 100))
    mongo.start()
    (run,) = shipped(mongo, file).runs
    assert (run.state, run.shipped, run.refused) == ("stored", 100, 1)
    assert stored(mongo) == numbers(0, 100)


def test_a_record_that_does_not_fit_is_refused_before_it_is_spooled(store: SpooledStore, file: str) -> None:
    with pytest.raises(UnstorableRecordError, match="8-byte ints"):
        store.write([msgspec.structs.replace(a_container_sample(), memory_limit_bytes=2**64 - 1)])
    with pytest.raises(UnstorableRecordError, match="put the run first"):
        store.write([a_container_sample(0, "never put")])
    assert not waits(file) or store.counts(RUN_ID)["ContainerSample"] == 0


# Processes that end, and processes that share

WRITER = """
import sys, time
from swarm_ext.store import open_run_store
from tests.sample_records import a_container_sample, a_run

uri, spool, run_id, batches, finish = sys.argv[1:]
store = open_run_store(uri, spool=spool)
store.put_run(a_run(run_id))
for batch in range(int(batches)):
    store.write([a_container_sample(n, run_id) for n in range(10 * batch, 10 * batch + 10)])
    print(batch + 1, flush=True)
    time.sleep(0.01)
if finish == "finish":
    print(store.finish([run_id], 60), flush=True)
store.close()
"""


def writer(
    mongo: MongoServer, file: str, run_id: str, batches: int, finish: str = ""
) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", WRITER, mongo.uri(), file, run_id, str(batches), finish]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def killed_after(process: subprocess.Popen[str], batches: int) -> int:
    """Kill a writer when it has written so much; return how many batches it had."""
    assert process.stdout is not None
    while int(process.stdout.readline()) < batches:
        pass
    process.send_signal(signal.SIGKILL)
    rest = len(
        process.stdout.read().splitlines()
    )  # not communicate, which would not see what readline has taken in
    process.wait(60)
    process.stdout.close()
    return batches + rest


def test_a_process_that_is_killed_leaves_all_that_it_wrote_to_be_shipped(
    mongo: MongoServer, file: str
) -> None:
    mongo.start()
    written = killed_after(writer(mongo, file, RUN_ID, 1_000_000), 30)
    (run,) = shipped(mongo, file).runs
    assert run.state == "stored"
    there = stored(mongo)
    assert there == numbers(0, len(there))
    assert len(there) in (10 * written, 10 * written + 10)
    assert is_empty(file)


def test_two_processes_share_a_spool_and_each_ships_its_own(mongo: MongoServer, file: str) -> None:
    mongo.start()
    writers = [writer(mongo, file, run_id, 50, "finish") for run_id in ("one", "two")]
    for process in writers:
        assert process.communicate(timeout=120)[0].splitlines()[-1] == "True"
    assert stored(mongo, "one") == stored(mongo, "two") == numbers(0, 500)
    assert is_empty(file)


def test_a_run_that_another_process_still_writes_is_left_to_it(mongo: MongoServer, file: str) -> None:
    mongo.start()
    with closing(opened(mongo.uri(), file)) as store:
        store.put_run(a_run())
        store.write(samples(0, 10))
        shipment = shipped(mongo, file)
        assert [run.state for run in shipment.runs] == ["under way"]
        assert shipment.complete
        store.write(samples(10, 20))
        assert store.finish([RUN_ID], PATIENCE_SECONDS)
    assert stored(mongo) == numbers(0, 20)


def test_shipping_while_another_ships_the_same_stores_everything_once(mongo: MongoServer, file: str) -> None:
    with closing(opened(mongo.uri(), file)) as store:
        store.put_run(a_run())
        store.write(samples(0, 3000))
        store.finish([RUN_ID], 0)
        mongo.start()
        assert shipped(mongo, file).complete
        assert store.finish([RUN_ID], PATIENCE_SECONDS)
    assert stored(mongo) == numbers(0, 3000)


def test_runs_for_other_databases_stay_and_are_told(mongo: MongoServer, file: str) -> None:
    mongo.start()
    for database, run_id in (("swarm_ext", "ours"), ("another", "theirs")):
        mongo.kill()
        with closing(opened(mongo.uri(database), file)) as store:
            store.put_run(a_run(run_id))
            store.write(samples(0, 5, run_id))
        mongo.start()
    shipment = shipped(mongo, file)
    assert [(run.run, run.state) for run in shipment.runs] == [("ours", "stored")]
    assert shipment.elsewhere == {f"mongodb://127.0.0.1:{mongo.port}/another": 1}
    assert waits(file)


# The start


def test_a_required_server_that_is_down_is_refused_in_one_line(mongo: MongoServer, file: str) -> None:
    with pytest.raises(
        UserError, match="Connection refused; start it, or leave out --store-required"
    ) as error:
        opened(mongo.uri(), file, required=True)
    assert "\n" not in str(error.value)


def test_credentials_that_the_server_refuses_are_a_mistake_even_if_it_need_not_be_there(
    mongo: MongoServer, file: str
) -> None:
    mongo.start()
    uri = mongo.uri().replace("://", "://me:s%40cret@")
    with pytest.raises(UserError, match="the server refuses the credentials") as error:
        opened(uri, file)
    assert "cret" not in str(error.value)
    assert "\n" not in str(error.value)


def test_a_spool_that_cannot_be_is_a_mistake(mongo: MongoServer, tmp_path: Path) -> None:
    mongo.start()
    with pytest.raises(UserError, match="there is no directory"):
        opened(mongo.uri(), str(tmp_path / "missing" / "spool.db"))


def test_reading_while_the_server_is_away_is_one_line(
    mongo: MongoServer, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swarm_ext.store.spool_store.READ_SECONDS", 0.1)
    with closing(opened(mongo.uri(), file)) as store:
        store.put_run(a_run())
        with pytest.raises(StoreError, match=r"does not have yet what was written: .*Connection refused"):
            store.runs()


# Chance


WIPING_SEED = 1


@pytest.mark.slow
@pytest.mark.parametrize("seed", [WIPING_SEED, 2, 3])
def test_whatever_happens_to_server_and_writer_all_that_was_written_is_there_once(
    mongo: MongoServer, file: str, seed: int
) -> None:
    chance = random.Random(seed)
    mongo.start()
    written: dict[str, int] = {}
    for life in range(3):
        run_id = f"life-{life}"
        process = writer(mongo, file, run_id, 1_000_000)
        assert process.stdout is not None
        until_batches = chance.randrange(20, 50)
        for batch in range(1, until_batches):
            assert int(process.stdout.readline()) == batch
            match chance.randrange(12):
                case 0:
                    mongo.kill()
                    time.sleep(chance.random() / 2)
                    mongo.start()
                case 1:
                    mongo.terminate()
                    mongo.start()
                case 2:
                    mongo.freeze()
                    time.sleep(chance.random() / 2)
                    mongo.thaw()
                case 3:
                    mongo.kill()
                    if seed == WIPING_SEED:
                        mongo.wipe()
                    mongo.start()
        written[run_id] = 10 * killed_after(process, until_batches)
    shipment = shipped(mongo, file)
    assert shipment.complete, shipment
    assert is_empty(file)
    # what was in its place before the data were wiped is gone, and nobody's to send again
    for run_id in list(written)[-1 if seed == WIPING_SEED else 0 :]:
        there = stored(mongo, run_id)
        assert there == numbers(0, len(there))
        assert len(there) in (written[run_id], written[run_id] + 10)
