"""Measure how late requests begin, at half of the rate that this generator sustains: `python -m benchmarks.lateness`.

Each generator tells of itself what it can: we the schedule lag of the run's totals, vegeta when each request began. For a
new connection each, the server's side tells the same of all, by the kernel's time stamps of the packets that ask for a
connection, compared with a schedule of constant gaps: that needs root. k6 tells nothing of its own.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from benchmarks import results
from benchmarks.bed import bed
from benchmarks.generators import absent, k6, ours, vegeta
from benchmarks.names import CONSTANT, K6, OURS, VEGETA
from benchmarks.pinned import require
from benchmarks.rates import sustained_median
from benchmarks.slices import Mode, lateness, quantile
from tests.integration.wire import MissedPacketsError, lacking, watched

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.bed import Bed
    from benchmarks.slices import Slice

MEASURED: dict[str, Callable[[Bed, Mode, float], Slice]] = {
    OURS: ours.sampled,
    CONSTANT: ours.constant,
    VEGETA: vegeta.run,
    K6: k6.run,
}
POISSON = {OURS}
"""Whose gaps are not constant, so that a server cannot tell what is late."""

DEFAULT_RATE = {Mode.NEW: 4000.0, Mode.KEPT: 9000.0}
"""Where no sustained rate is known yet."""


def seen_by_the_server(run: Callable[[], Slice], port: int, rate: float) -> tuple[Slice, list[float] | None]:
    """Return a slice, and how late its connections came [s]; None where the record has holes."""
    try:
        with watched(port) as wire:
            measured = run()
    except MissedPacketsError as error:
        results.progress(error)
        return measured, None
    return measured, lateness([connection.at for connection in wire.connections], rate)


def measure(name: str, servers: Bed, mode: Mode, rate: float) -> dict[str, Any]:
    """Return what one slice tells, of itself and by the server, as a row."""
    late = None
    if mode is Mode.NEW and name not in POISSON and not lacking():
        port = urlsplit(servers.url).port or 80
        measured, late = seen_by_the_server(lambda: MEASURED[name](servers, mode, rate), port, rate)
    else:
        measured = MEASURED[name](servers, mode, rate)
    seen = (None, None) if late is None else (quantile(late, 0.5), quantile(late, 0.99))
    return {
        "mode": mode,
        "generator": name,
        **msgspec.to_builtins(measured),
        "seen_p50_seconds": seen[0],
        "seen_p99_seconds": seen[1],
    }


def main() -> None:
    """Measure in turn, as often as asked."""
    parser = argparse.ArgumentParser(
        description="Measure how late requests begin, at half of our sustained rate."
    )
    parser.add_argument("--rounds", type=int, default=5, help="slices of each (default: %(default)s)")
    parser.add_argument("--seconds", type=int, default=4, help="length of a slice (default: %(default)s)")
    parser.add_argument(
        "--rate", type=float, help="in 1/s (default: half of what the results say is sustained)"
    )
    results.add_results_option(parser)
    chosen = parser.parse_args()
    require("nginx", "taskset")
    if lacking():
        results.progress(f"{lacking()}: what the server sees is left out")
    known = results.read(chosen.results)
    names = [name for name in MEASURED if name not in absent()]
    with results.recorded("lateness", chosen.results) as figures, bed(chosen.seconds) as servers:
        rows = figures.setdefault("slices", [])
        for _ in range(chosen.rounds):
            for mode in Mode:
                half = (sustained_median(known, mode) or 2 * DEFAULT_RATE[mode]) / 2
                for name in names:
                    rows.append(row := measure(name, servers, mode, round(chosen.rate or half)))
                    results.progress(
                        mode,
                        name,
                        *(f"{key} {value}" for key, value in row.items() if key.endswith("_seconds")),
                    )


if __name__ == "__main__":
    main()
