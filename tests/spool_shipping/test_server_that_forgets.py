"""A server that lost what it had acknowledged gets it again; what somebody deleted does not come back."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from pymongo import MongoClient

from swarm_ext.errors import UserError
from swarm_ext.store import open_store
from swarm_ext.store.mongo_client import MongoAddress
from swarm_ext.store.spool_store import SpooledStore
from tests.sample_records import RUN_ID, a_full_run, a_run
from tests.spool_shipping.shipping import (
    PATIENCE_SECONDS,
    is_empty,
    numbers,
    opened,
    samples,
    shipped,
    stored,
    until,
    waits,
)

if TYPE_CHECKING:
    from typing import Any

    import pytest

    from tests.integration.bed.mongo_server import MongoServer


def stored_if_there(mongo: MongoServer) -> list[float | None]:
    try:
        return stored(mongo)
    except UserError:  # there is no run in it yet
        return []


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
