"""Print how long a million gaps take, for each arrival process and beside the standard library."""

import argparse
import time
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice

from swarm_ext.arrivals import ArrivalProcess, Constant, Normal, Poisson, stream_rng
from swarm_ext.arrivals.check import ArrivalChecker

GAPS = 1_000_000
REPEATS = 3
PROCESSES: tuple[ArrivalProcess, ...] = (
    Poisson(rate=20),
    Constant(rate=20),
    Normal(mu=0.2, sigma=0.02),
    Normal(mu=0.2, sigma=0.1),
    Normal(mu=0.2, sigma=0.18),
    Normal(mu=0.2, sigma=0.1999),
)


def standard_library() -> Iterator[float]:
    """Yield exponential gaps in seconds, drawn as the standard library does."""
    expovariate = stream_rng(seed=1, stream=0).expovariate
    while True:
        yield expovariate(20.0)


def judged(process: ArrivalProcess) -> Iterator[None]:
    """Draw gaps and have each of them checked."""
    stream = ArrivalChecker(process).stream()
    for gap in process.gaps(stream_rng(seed=1, stream=0)):
        stream.arrival(gap)
        yield


def seconds(gaps: Iterable[object]) -> float:
    """Return how long it takes to go through the next million."""
    start = time.perf_counter()
    deque(islice(gaps, GAPS), maxlen=0)
    return time.perf_counter() - start


def main() -> None:
    """Print the table."""
    argparse.ArgumentParser(
        description="Print how long a million gaps take to draw and to check."
    ).parse_args()
    base = min(seconds(standard_library()) for _ in range(REPEATS))
    print(f"{GAPS:,} gaps                      seconds   ratio   µs to draw and check one")
    print(f"{'random.expovariate':<35} {base:6.2f} {1:7.2f}")
    for process in PROCESSES:
        drawn = min(seconds(process.gaps(stream_rng(seed=1, stream=0))) for _ in range(REPEATS))
        with_check = seconds(judged(process))
        print(f"{process!r:<35} {drawn:6.2f} {drawn / base:7.2f} {with_check / GAPS * 1e6:26.2f}")


if __name__ == "__main__":
    main()
