"""wrk: as fast as a client in C goes. It keeps no schedule, so it is the limit, and not a peer."""

from __future__ import annotations

import re

from benchmarks.bed import CLIENTS, Bed, slice_folder
from benchmarks.pinned import run_generator
from benchmarks.slices import Mode, Slice


def run(bed: Bed, mode: Mode, rate: float | None) -> Slice:
    """Run a slice. For a new connection each it asks the server to close them."""
    if rate is not None:
        raise ValueError("wrk keeps no rate")
    header = ["-H", "Connection: close"] if mode is Mode.NEW else []
    with slice_folder() as folder:
        ended = run_generator(
            folder, "wrk", "-t", "1", "-c", str(CLIENTS), "-d", f"{bed.seconds}s", *header, f"{bed.url}/",
            seconds=bed.seconds,
        )  # fmt: skip
    return read(ended.output, ended.cpu_seconds)


def read(output: str, cpu_seconds: float) -> Slice:
    """Return what wrk's output tells; exit with it if it tells nothing."""
    told = re.search(r"(\d+) requests in ([\d.]+)(ms|s|m),", output)
    if told is None:
        raise SystemExit(f"wrk measured nothing:\n{output}")
    requests, seconds = int(told[1]), float(told[2]) * {"ms": 0.001, "s": 1.0, "m": 60.0}[told[3]]
    sockets = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", output)
    answers = re.search(r"Non-2xx or 3xx responses: (\d+)", output)
    errors = sum(map(int, sockets.groups())) if sockets else 0
    errors += int(answers[1]) if answers else 0
    return Slice(
        asked=None,
        offered=requests / seconds,
        errors=errors,
        cpu_seconds_per_request=cpu_seconds / requests if requests else None,
    )
