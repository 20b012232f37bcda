"""Runs a Locust process on the generator's core, with one of the locustfiles in `benchmarks/load/`."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from benchmarks.load import LOAD, MARK
from benchmarks.pinned import run_generator
from benchmarks.server import ROOT
from benchmarks.slices import Slice

if TYPE_CHECKING:
    from pathlib import Path


def run_locust(
    folder: Path, locustfile: str, user: str, *options: str, seconds: int, **variables: str
) -> tuple[Slice, str]:
    """Run a headless Locust for so many seconds; return what it measured of itself, and all that it printed.

    Exit with what it printed if it measured nothing.
    """
    ended = run_generator(
        folder, sys.executable, "-m", "locust", "-f", str(LOAD / locustfile), user, "--headless",
        "--only-summary", "-r", "1000", "-t", f"{seconds}s", "-s", "2", *options,
        seconds=seconds, PYTHONPATH=str(ROOT), **variables,
    )  # fmt: skip
    line = next((line for line in ended.output.splitlines() if line.startswith(MARK)), None)
    if line is None:
        raise SystemExit(f"Locust measured nothing:\n{ended.output}")
    return Slice(asked=None, **json.loads(line.removeprefix(MARK))), ended.output
