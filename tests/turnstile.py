"""Lets a test have the machine to itself, beside the other processes that run tests: a lock that many share, or one has.

Who waits for the whole lock stands in the door, so that those who come after it wait behind it.
"""

from __future__ import annotations

import fcntl
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def passing(folder: Path, *, alone: bool) -> Iterator[None]:
    """Be one of many, or `alone`: then wait for the others to leave. All name the same folder."""
    with (folder / "room").open("w") as room:
        with (folder / "door").open("w") as door:
            fcntl.flock(door, fcntl.LOCK_EX)
            fcntl.flock(room, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield
