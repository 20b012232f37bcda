"""What several test files share: Locust, imported, and a MongoDB-protocol server, started when the first test asks for it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

# Locust patches the process that imports it. Here that would come too late, and it is not wanted: what also runs without
# Locust is tested without it. (Locust's own processes are started as they are anywhere.)
os.environ["LOCUST_SKIP_MONKEY_PATCH"] = "1"
import locust  # noqa: F401
import pytest

from tests.integration.bed.mongo_server import MongoServer, skip_without_go
from tests.turnstile import passing

del os.environ["LOCUST_SKIP_MONKEY_PATCH"]

if TYPE_CHECKING:
    from collections.abc import Iterator


OF_REAL_PROCESSES = ("integration", "sampler", "spool_shipping", "test_local_")
"""Folders and files of tests whose processes, containers and browsers take turns on the machine's cores."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each test of real processes a second try, with the machine to itself; the summary tells of it as a rerun.

    A machine that stands still for a second, or is shared, can disturb any of some 600 of them, another one each time. What
    is broken fails both times. Tests of anything else have one try.
    """
    tests = Path(__file__).parent
    for item in items:
        if str(item.path.relative_to(tests)).startswith(OF_REAL_PROCESSES):
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.fixture(autouse=True)
def _turn(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let a test marked `alone`, or one in its second try, wait for those of the other processes, and those for it."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # that of all processes
    is_second_try = getattr(request.node, "execution_count", 1) > 1
    with passing(folder, alone=is_second_try or request.node.get_closest_marker("alone") is not None):
        yield


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
