"""Measure how late requests begin, at half of the rate that this generator sustains: `python -m benchmarks.lateness`.

Each generator tells of itself what it can: we the schedule lag of the run's totals, vegeta when each request began; k6
tells nothing. The server's side tells the same of all that make constant gaps (`benchmarks.seen`): that needs root.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

import msgspec

from benchmarks import results
from benchmarks.bed import bed
from benchmarks.generators import absent, k6, ours, vegeta
from benchmarks.names import CONSTANT, K6, OURS, VEGETA
from benchmarks.pinned import require
from benchmarks.rates import sustained_median
from benchmarks.seen import seen_by_the_server
from benchmarks.slices import Mode, quantile
from tests.integration.wire import lacking

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


def measure(name: str, servers: Bed, mode: Mode, rate: float) -> dict[str, Any]:
    """Return what one slice tells, of itself and by the server, as a row."""
    if name in POISSON:
        measured, late = MEASURED[name](servers, mode, rate), None
    else:
        measured, late = seen_by_the_server(MEASURED[name], servers, mode, rate)
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
