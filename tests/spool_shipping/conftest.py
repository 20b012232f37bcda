"""What the tests of shipping start from: a spool's file, and a store with a run before a server that is up."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.sample_records import a_run
from tests.spool_shipping.shipping import opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from swarm_ext.store.spool_store import SpooledStore
    from tests.integration.bed.mongo_server import MongoServer


@pytest.fixture
def file(tmp_path: Path) -> str:
    return str(tmp_path / "spool.db")


@pytest.fixture
def store(mongo: MongoServer, file: str) -> Iterator[SpooledStore]:
    """A store before a server that is up, with a run put to it."""
    mongo.start()
    with closing(opened(mongo.uri(), file)) as store:
        store.put_run(a_run())
        yield store
