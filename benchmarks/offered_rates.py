"""Measure the README's table: asked against offered rate, as a server sees it that takes 100 ms for each response.

From the project's folder: `.venv/bin/python -m benchmarks.offered_rates`. It takes about three minutes.
"""

import argparse
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain, pairwise
from pathlib import Path

from swarm_ext.arrivals import ArrivalProcess, Normal, Poisson
from tests.integration.bench import LOCUSTFILES, run_locust, slow_server

ARRIVALS = 200
SEEDS = range(1, 6)
DELAY_SECONDS = 0.1
NORMAL = ("--mu", "0.2", "--sigma", "0.1")
RUNS: tuple[tuple[str, tuple[str, ...], ArrivalProcess], ...] = (
    ("poisson.py", ("--lamb", "10"), Poisson(10)),
    ("poisson.py", ("--lamb", "10", "--closed"), Poisson(10)),
    ("normal.py", NORMAL, Normal(0.2, 0.1)),
    ("normal.py", (*NORMAL, "--closed"), Normal(0.2, 0.1)),
)


def distance(gaps: list[float], process: ArrivalProcess) -> float:
    """Return the Kolmogorov-Smirnov distance of measured gaps [s] to the law of a process."""
    n = len(gaps)
    asked = [process.cdf(gap) for gap in sorted(gaps)]
    return max(max((i + 1) / n - f, f - i / n) for i, f in enumerate(asked))


def measured(locustfile: str, options: tuple[str, ...], seed: int) -> list[float]:
    """Return the gaps between the arrivals of one run of one user, as the server saw them [s]."""
    with (
        tempfile.TemporaryDirectory() as folder,
        slow_server(Path(folder), delay_seconds=DELAY_SECONDS) as server,
    ):
        limits = ("-u", "1", "--iter", str(ARRIVALS), "--seed", str(seed), "--stop-timeout", "10")
        ended = run_locust(Path(folder), LOCUSTFILES / locustfile, "-H", server.url, *limits, *options)
        if ended.code:
            raise SystemExit(ended.output)
        return [later - earlier for earlier, later in pairwise(server.arrivals())]


def main() -> None:
    """Print the table, a line for each set of runs; the gaps of its runs are pooled."""
    argparse.ArgumentParser(description="Print asked and offered rates, as a server sees them.").parse_args()
    print("| locustfile and options | asked | offered | error | KS distance |\n|---|---|---|---|---|")
    for locustfile, options, process in RUNS:
        with ThreadPoolExecutor(len(SEEDS)) as pool:
            gaps = list(chain.from_iterable(pool.map(partial(measured, locustfile, options), SEEDS)))
        rate = len(gaps) / sum(gaps)
        print(
            f"| `{' '.join((locustfile, *options))}` | {process.rate:.2f}/s | {rate:.2f}/s"
            f" | {rate / process.rate - 1:+.0%} | {distance(gaps, process):.3f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
