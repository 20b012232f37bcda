"""What every slice of a measurement shares: where the servers are, and how long a slice takes."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.pinned import keep_off_the_generator
from benchmarks.server import nginx, python_server

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIENTS = 64
"""How many requests a closed loop has under way at once, whichever generator makes it."""


@dataclass(frozen=True)
class Bed:
    """`url` is nginx's, `cadvisor_url` that of a node of 50 containers; both are on the server's core."""

    url: str
    cadvisor_url: str
    seconds: int


@contextmanager
def bed(seconds: int) -> Iterator[Bed]:
    """Start the servers; `seconds` is how long a slice takes."""
    keep_off_the_generator()
    with nginx() as url, python_server("benchmarks.cadvisor_node") as cadvisor_url:
        yield Bed(url, cadvisor_url, seconds)


@contextmanager
def slice_folder() -> Iterator[Path]:
    """Give a slice a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)
