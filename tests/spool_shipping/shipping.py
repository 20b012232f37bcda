"""What the tests of shipping share: records by their numbers, and where they are."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING

from swarm_ext.commands.run_ship import ship
from swarm_ext.model import ContainerSample
from swarm_ext.store import open_run_store, open_store
from swarm_ext.store.spool import Spool
from swarm_ext.store.spool_store import SpooledStore
from tests.sample_records import RUN_ID, a_container_sample

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from swarm_ext.commands.run_ship import Shipment
    from tests.integration.bed.mongo_server import MongoServer

PATIENCE_SECONDS = 60.0
LIMIT_BYTES = 100_000_000


def opened(uri: str, file: str, **settings: Any) -> SpooledStore:
    store = open_run_store(uri, spool=file, **settings)
    assert isinstance(store, SpooledStore)
    return store


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
