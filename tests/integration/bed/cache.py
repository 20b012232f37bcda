"""Where what the tests build is kept between runs: a git-ignored folder. A clean machine builds everything anew."""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[3]


def folder() -> Path:
    """Return the cache's folder, by the environment variable SWARM_EXT_BED_CACHE or at the project's root."""
    path = Path(os.environ.get("SWARM_EXT_BED_CACHE") or ROOT / ".bed-cache")
    path.mkdir(parents=True, exist_ok=True)
    return path


def built(name: str, build: Callable[[Path], None]) -> Path:
    """Return the file or folder called `name` of the cache; `build` makes it, once, at the path that it is given.

    Whatever the result depends on (a version, a digest of the sources) belongs into its name.
    """
    path = folder() / name
    with (folder() / f".{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            unfinished = folder() / f".{name}.unfinished"
            if unfinished.is_dir():
                shutil.rmtree(unfinished)
            unfinished.unlink(missing_ok=True)
            build(unfinished)
            unfinished.rename(path)
    return path
