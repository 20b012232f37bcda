"""Measure what watching costs: schedule lag with and without sampler, store and autoscaler, 50 containers at 1 Hz.

    .venv/bin/python -m benchmarks.observation_lag

The two take turns. *With*: a node of 50 containers is sampled every second, each sample is stored, and the autoscaler
evaluates its service of 50 replicas every 2 s. *Without*: none of that, and no store. The swarm's state comes from
memory: what a Docker daemon would take to answer is not in it.
"""

from __future__ import annotations

import argparse
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from benchmarks import results
from benchmarks.bed import bed
from benchmarks.cadvisor_node import CONTAINERS
from benchmarks.generators import ours
from benchmarks.pinned import require
from benchmarks.rates import sustained_median
from benchmarks.slices import Mode

if TYPE_CHECKING:
    from benchmarks.bed import Bed
    from benchmarks.slices import Slice

DEFAULT_RATE = 4000.0
_SCALING = (
    "--swarm", "docker", "--autoscale", "target-utilisation", "--autoscale-interval", "2", "--autoscale-window", "6",
    "--replica-warm-up", "0", "--min-replicas", str(CONTAINERS), "--max-replicas", str(CONTAINERS),
)  # fmt: skip


def with_observation(servers: Bed, rate: float) -> Slice:
    """Run a slice with everything that watches."""
    watching = partial(ours.run, locustfile="watched.py")
    return watching(servers, Mode.NEW, rate, "--cadvisor", servers.cadvisor_url, *_SCALING)


def without_observation(servers: Bed, rate: float) -> Slice:
    """Run a slice with nothing that watches."""
    return ours.run(servers, Mode.NEW, rate, locustfile="bare.py")


def main() -> None:
    """Measure in turn, as often as asked."""
    parser = argparse.ArgumentParser(
        description="Measure what sampler, store and autoscaler add to the schedule lag."
    )
    parser.add_argument("--rounds", type=int, default=7, help="slices of each (default: %(default)s)")
    parser.add_argument("--seconds", type=int, default=12, help="length of a slice (default: %(default)s)")
    parser.add_argument(
        "--rate", type=float, help="in 1/s (default: half of what the results say is sustained)"
    )
    results.add_results_option(parser)
    chosen = parser.parse_args()
    require("nginx", "taskset")
    half = (sustained_median(results.read(chosen.results), Mode.NEW) or 2 * DEFAULT_RATE) / 2
    rate = round(chosen.rate or half)
    with results.recorded("observation_lag", chosen.results) as figures, bed(chosen.seconds) as servers:
        rounds = figures.setdefault("rounds", [])
        figures |= {"rate": rate, "seconds": chosen.seconds}
        for number in range(chosen.rounds):
            pair = {"with": with_observation, "without": without_observation}
            names = list(pair) if number % 2 else list(reversed(pair))
            measured = {name: pair[name](servers, rate) for name in names}
            rounds.append({name: msgspec.to_builtins(one) for name, one in measured.items()})
            results.progress(
                *(
                    f"{name}: p99 {(one.late_p99_seconds or 0) * 1000:.2f} ms"
                    for name, one in measured.items()
                )
            )


if __name__ == "__main__":
    main()
