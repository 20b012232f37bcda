"""What the tests of the sampler start from: fake nodes, and the samplers that watch them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.sampler.cluster import Cluster

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    cluster = Cluster()
    yield cluster
    for sampler in cluster.samplers:
        sampler.stop()
    for server in cluster.servers:
        server.close()
