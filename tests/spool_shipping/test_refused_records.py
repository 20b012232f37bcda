"""What the server will never take is counted, and its neighbours are stored."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import bson
import msgspec
import pytest

from swarm_ext.store import UnstorableRecordError
from swarm_ext.store.mongo_client import MongoAddress
from swarm_ext.store.spool import NewRecord, Spool
from tests.sample_records import RUN_ID, a_container_sample, a_run
from tests.spool_shipping.shipping import (
    LIMIT_BYTES,
    PATIENCE_SECONDS,
    is_empty,
    numbers,
    opened,
    samples,
    shipped,
    stored,
    waits,
)

if TYPE_CHECKING:
    from typing import Any

    from swarm_ext.store.spool_store import SpooledStore
    from tests.integration.bed.mongo_server import MongoServer


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
