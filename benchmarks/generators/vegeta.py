"""vegeta: a constant schedule, or as fast as it goes. Its results tell when each request began."""

from __future__ import annotations

import csv
import subprocess
from typing import TYPE_CHECKING

from benchmarks.bed import CLIENTS, Bed, slice_folder
from benchmarks.pinned import run_generator
from benchmarks.slices import Mode, Slice, lateness, quantile

if TYPE_CHECKING:
    from pathlib import Path

MOST_IN_FLIGHT = 32
"""As many requests may be under way when there is a schedule: enough for a server that answers within a millisecond.

When vegeta is late it starts more workers, and those make it later: with 2,000 allowed it sustained 8,000/s on kept
connections where it does some 20,000/s with 32, and 5,300/s where it does 7,000/s with a new connection each."""


def run(bed: Bed, mode: Mode, rate: float | None) -> Slice:
    """Run a slice."""
    pace = ["-rate", "0", "-max-workers", str(CLIENTS)]
    if rate is not None:
        pace = ["-rate", f"{rate:.0f}", "-max-workers", str(MOST_IN_FLIGHT)]
    with slice_folder() as folder:
        (folder / "target").write_text(f"GET {bed.url}/\n")
        ended = run_generator(
            folder, "vegeta", "attack", "-targets", "target", *pace, "-duration", f"{bed.seconds}s",
            f"-keepalive={str(mode is Mode.KEPT).lower()}", "-output", "results", seconds=bed.seconds,
        )  # fmt: skip
        starts, errors = _results(folder, ended.output)
    late = [] if rate is None else lateness(starts, round(rate))
    return Slice(
        asked=rate,
        offered=len(starts) / bed.seconds,
        errors=errors,
        late_p50_seconds=quantile(late, 0.5),
        late_p99_seconds=quantile(late, 0.99),
        cpu_seconds_per_request=ended.cpu_seconds / len(starts) if starts else None,
    )


def _results(folder: Path, output: str) -> tuple[list[float], int]:
    """Return when each request began [s], in order, and how many of them failed; exit with `output` if there are none."""
    command = ["vegeta", "encode", "-to", "csv", "-output", "results.csv", "results"]
    if subprocess.run(command, cwd=folder, check=False, timeout=60).returncode:
        raise SystemExit(f"vegeta measured nothing:\n{output}")
    with (folder / "results.csv").open(newline="") as lines:
        rows = [(int(row[0]) / 1e9, row[1]) for row in csv.reader(lines)]
    return sorted(start for start, _ in rows), sum(code != "200" for _, code in rows)
