"""A server that is up, killed, down for a whole run or frozen: in the end all is there, once."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING

from swarm_ext.model import RECORD_TYPES
from swarm_ext.store import open_store
from swarm_ext.store.spool import Spool
from tests.sample_records import RUN_ID, a_full_run, a_run, one_record_of_every_kind
from tests.spool_shipping.shipping import (
    LIMIT_BYTES,
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
    import pytest

    from swarm_ext.store.spool_store import SpooledStore
    from tests.integration.bed.mongo_server import MongoServer


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
