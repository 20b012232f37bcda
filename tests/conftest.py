"""What several test files share: a MongoDB-protocol server, started when the first test asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.bed.mongo_server import MongoServer, skip_without_go

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def shared_mongo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MongoServer]:
    """A server for tests that leave it running. Each uses a database of its own."""
    skip_without_go()
    with MongoServer(tmp_path_factory.mktemp("shared-mongo") / "state") as server:
        yield server


@pytest.fixture
def mongo(tmp_path: Path) -> Iterator[MongoServer]:
    """A server of the test's own, to be killed and emptied. It is not started yet."""
    skip_without_go()
    with MongoServer(tmp_path / "mongo" / "state", start=False) as server:
        yield server
