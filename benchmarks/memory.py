"""Measure memory: that of an arrival in flight, and whether it grows at a constant rate: `python -m benchmarks.memory`.

Resident memory of the whole Locust process, its connections' buffers in the kernel excepted. *In flight*: a server never
answers, until 10,000 arrivals wait. *Growth*: 5 minutes at a constant rate with the sampler on, its points after the first two
minutes are what `memory_trend` looks at.
"""

from __future__ import annotations

import argparse
import sys
import time
from itertools import count
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import psutil

from benchmarks import results
from benchmarks.bed import bed, slice_folder
from benchmarks.load import LOAD
from benchmarks.pinned import keep_off_the_generator, require, started
from benchmarks.server import ROOT, python_server
from benchmarks.tcp_table import ESTABLISHED, states_towards

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RAMP_RATE = 2000
PATIENCE_SECONDS = 60.0


def locust(folder: Path, host: str, *options: str) -> list[str]:
    """Return the command of a Locust with one of our users."""
    return [
        sys.executable, "-m", "locust", "-f", str(LOAD / "ours.py"), "Visitor", "--headless", "--only-summary",
        "-H", host, "--store", f"sqlite:///{folder}/runs.db", *options,
    ]  # fmt: skip


def in_flight(most: int) -> dict[str, Any]:
    """Return the memory of each arrival in flight [bytes], between the first ones and so many."""
    with python_server("benchmarks.silent_server") as url, slice_folder() as folder:
        server = urlsplit(url)
        options = ("--lamb", str(RAMP_RATE), "--max-in-flight", str(most))
        with started(folder, *locust(folder, url, *options), PYTHONPATH=str(ROOT)) as process:
            points: list[tuple[int, int]] = []
            deadline = time.monotonic() + PATIENCE_SECONDS
            while time.monotonic() < deadline and process.poll() is None:
                time.sleep(0.02)
                now = states_towards(server.hostname or "", server.port or 80)[ESTABLISHED]
                if now:
                    points.append((now, psutil.Process(process.pid).memory_info().rss))
                if now >= most:
                    break
            else:
                raise SystemExit(
                    f"{most} in flight were not reached: {points[-1:]}\n{(folder / 'output').read_text()}"
                )
    (first, low), (last, high) = points[0], points[-1]
    if first == last:
        raise SystemExit(f"{most} came too quickly to see memory grow: ask for more of --in-flight")
    return {
        "in_flight": last,
        "before_bytes": low,
        "after_bytes": high,
        "bytes_each": (high - low) / (last - first),
    }


def memory_by_time(rate: float, seconds: float, every: float) -> Iterator[tuple[float, int]]:
    """Yield (seconds since the start, resident bytes) of a Locust at a constant rate."""
    with bed(0) as servers, slice_folder() as folder:
        options = ("--lamb", str(rate), "--cadvisor", servers.cadvisor_url)
        with started(folder, *locust(folder, servers.url, *options), PYTHONPATH=str(ROOT)) as process:
            begun = time.monotonic()
            for number in count(1):
                at = number * every
                if at > seconds:
                    return
                time.sleep(max(0.0, begun + at - time.monotonic()))
                if process.poll() is not None:
                    raise SystemExit(f"Locust has ended:\n{(folder / 'output').read_text()}")
                yield at, psutil.Process(process.pid).memory_info().rss


def main() -> None:
    """Measure both."""
    parser = argparse.ArgumentParser(
        description="Measure memory in flight, and its growth at a constant rate."
    )
    parser.add_argument(
        "--in-flight", type=int, default=10_000, help="arrivals in flight (default: %(default)s)"
    )
    parser.add_argument(
        "--rate", type=float, default=2000.0, help="arrivals/s of the second part (default: %(default)g)"
    )
    parser.add_argument(
        "--seconds", type=float, default=300.0, help="length of the second part (default: %(default)g)"
    )
    parser.add_argument(
        "--every", type=float, default=10.0, help="seconds between two points (default: %(default)g)"
    )
    results.add_results_option(parser)
    chosen = parser.parse_args()
    require("nginx", "taskset")
    with results.recorded("memory", chosen.results) as figures:
        keep_off_the_generator()
        figures["in_flight"] = in_flight(chosen.in_flight)
        results.progress(figures["in_flight"])
        growth: dict[str, Any] = {"rate": chosen.rate, "points": []}
        figures["growth"] = growth
        for at, resident in memory_by_time(chosen.rate, chosen.seconds, chosen.every):
            growth["points"].append([at, resident])
            results.progress(f"{at:5.0f} s  {resident / 1e6:7.1f} MB")


if __name__ == "__main__":
    main()
