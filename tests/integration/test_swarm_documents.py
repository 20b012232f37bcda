"""What the pages tell a reader to do with a swarm works on a real one, in the order in which they tell it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.bed.swarm import OVERRIDE_FILE, STACK_FILE
from tests.integration.bench import LOCUSTFILES
from tests.integration.documents import ON_A_SWARM, Reader, blocks
from tests.integration.lone_engine import operator_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.bed.swarm import Bed

PATIENCE_SECONDS = 240.0


@pytest.fixture
def reader(bed: Bed, tmp_path: Path) -> Iterator[Reader]:
    """Somebody who has three machines, and images that need no registry."""
    (tmp_path / "locustfiles").symlink_to(LOCUSTFILES)
    environment = bed.environment(PYTHONUNBUFFERED="1")
    address = bed.manager.host.address
    yield Reader(
        tmp_path,
        environment={**environment, "PATH": f"{Path(sys.executable).parent}:{environment['PATH']}"},
        replaced={
            "swarm-ext stack deploy": f"swarm-ext stack deploy -c {STACK_FILE} -c {OVERRIDE_FILE}",
            "http://10.0.0.1": f"http://{address}:8000",  # the balancer that stands in for the swarm's own
            "10.0.0.1": address,
        },
        patience_seconds=PATIENCE_SECONDS,
    )
    if "swarm-ext" in bed.manager.docker("stack", "ls", "--format", "{{.Name}}").split():
        operator_of(bed).types("stack", "leave", "--yes")
    operator_of(bed).types("stack", "leave", "--volumes", "--yes")


@pytest.mark.slow
@pytest.mark.parametrize("document", ON_A_SWARM, ids=lambda path: path.name)
def test_every_example_works_on_a_swarm(document: Path, reader: Reader) -> None:
    for block in blocks(document):
        reader.follow(block)
