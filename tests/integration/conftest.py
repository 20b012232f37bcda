"""The test bed, brought up when the first test asks for it and taken down after the last."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.bed.prerequisites import missing, skip_or_fail
from tests.integration.bed.swarm import Bed

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def bed() -> Iterator[Bed]:
    """A swarm of three nodes. A test leaves it as it found it: three ready nodes, no stack, no service."""
    lacking = missing()
    if lacking:
        skip_or_fail(lacking)
    with Bed() as swarm:
        yield swarm
