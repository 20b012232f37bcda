"""The test bed, brought up when the first test asks for it and taken down after the last; and what a cluster is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.bed.prerequisites import missing, skip_or_fail
from tests.integration.bed.swarm import Bed
from tests.integration.bench import SlowServer, slow_server
from tests.integration.cluster import POISSON, STRANGER, Cluster

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def bed() -> Iterator[Bed]:
    """A swarm of three nodes. A test leaves it as it found it: three ready nodes, no stack, no service."""
    lacking = missing()
    if lacking:
        skip_or_fail(lacking)
    with Bed() as swarm:
        yield swarm


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SlowServer]:
    """A server that answers in 20 ms, as most tests have it."""
    with slow_server(tmp_path, 0.02) as running:
        yield running


@pytest.fixture
def locustfile() -> Path:
    """The locustfile of a cluster; a module that has another says so by a fixture of this name."""
    return POISSON


@pytest.fixture
def cluster(tmp_path: Path, locustfile: Path) -> Iterator[Cluster]:
    """A master and workers, whose processes end with the test."""
    made = Cluster(tmp_path, locustfile)
    yield made
    made.end()


@pytest.fixture
def stranger(tmp_path: Path) -> Path:
    """The locustfile of a worker that never says who it is."""
    file = tmp_path / "stranger.py"
    file.write_text(STRANGER)
    return file
