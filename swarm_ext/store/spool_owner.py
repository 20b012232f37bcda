"""Who writes a run in the spool, and whether they still live: told by a lock on a file, which no clock can confuse.

A process that ends in whatever way, or a machine that loses power, lets go of its locks.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class SpoolOwner:
    """Somebody who writes runs into a spool. `name` is theirs alone; the lock is held until `close`."""

    def __init__(self, spool: Path) -> None:
        self.name = secrets.token_hex(4)
        self._path = _lock_file(spool, self.name)
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def close(self) -> None:
        """Let go. Idempotent."""
        if self._file >= 0:
            self._path.unlink(missing_ok=True)
            os.close(self._file)
            self._file = -1


def is_alive(spool: Path, owner: str) -> bool:
    """Return whether an owner holds its lock; one that does not never will again, and its file is removed."""
    path = _lock_file(spool, owner)
    try:
        file = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    with suppress(OSError):
        path.unlink()
    return False


def _lock_file(spool: Path, owner: str) -> Path:
    return spool.with_name(f"{spool.name}-{owner}")
