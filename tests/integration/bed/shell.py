"""Runs the system's own tools, and tells what they said when they fail."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class BedError(Exception):
    """A tool of the bed's failed. The text has its command and its last words."""


def run(
    *command: str | Path,
    timeout: float = 60.0,
    stdin: bytes | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> str:
    """Run a command to its end and return what it printed; raise BedError when it fails."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words, input=stdin, capture_output=True, timeout=timeout, check=False, env=env, cwd=cwd
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BedError(f"{' '.join(words)}: {error}") from None
    if done.returncode:
        said = (done.stderr or done.stdout).decode(errors="replace").strip()
        raise BedError(f"{' '.join(words)}: exit code {done.returncode}: {said[-2000:]}")
    return done.stdout.decode(errors="replace")
