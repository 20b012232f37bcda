"""Record how truly each generator makes the arrivals it promises, at 100 ms service time: `python -m benchmarks.arrival_fidelity`.

What is measured, and how, is in `benchmarks.fidelity`, which prints the same table. It needs root.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict

from benchmarks import fidelity, results
from benchmarks.pinned import require
from tests.integration.wire import lacking


def main() -> None:
    """Measure in turn, and record every slice."""
    parser = argparse.ArgumentParser(
        description="Record how truly each generator makes the arrivals it promises."
    )
    parser.add_argument("rates", type=float, nargs="*", default=fidelity.RATES, help="arrivals/s")
    parser.add_argument("--seconds", type=int, default=fidelity.SECONDS, help="judged seconds of each slice")
    parser.add_argument(
        "--rounds", type=int, default=fidelity.ROUNDS, help="slices of each generator at each rate"
    )
    results.add_results_option(parser)
    chosen = parser.parse_args()
    require("taskset")
    if lacking():
        raise SystemExit(lacking())
    with results.recorded("fidelity", chosen.results) as figures:
        taken = fidelity.measured_in_turn(chosen.rates, chosen.seconds, chosen.rounds)
        figures["rounds"] = [[asdict(one) for one in rounds] for rounds in taken]
        figures["table"] = fidelity.table(taken)
        results.progress(figures["table"])


if __name__ == "__main__":
    main()
