"""Measure how truly generators make the arrivals that they promise, on the wire, against a server that takes 100 ms.

From the project's folder, as root: `.venv/bin/python -m benchmarks.fidelity`. It takes about eight minutes, and uses vegeta
and k6 if they are on the path. Each generator has one core, the server another; they take turns, since machines vary.

What each promises: vegeta and k6 constant gaps, swarm-ext those of the process that it is asked for. When connections
arrive is told by the kernel (`tests.integration.wire`), the same for all of them.

- *scheduled*: what each one's perfect schedule has in the judged seconds; of Poisson arrivals the number is random.
- *KS distance*: the largest distance of the gaps' distribution function to the promised one. To constant gaps it is at
  least a half as soon as no two gaps are equal, however little they differ; so there is a second figure:
- *gap error*: by how much a gap differs from the promised one of the same rank, on average, in mean gaps (the Wasserstein
  distance of order 1). With Poisson gaps about 1/√n of it is chance.
- *late*: after each one's own perfect schedule, laid as late as it can be without an arrival that is early. An arrival
  that is dropped makes all later ones late.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import statistics
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from swarm_ext.arrivals import Constant, Poisson, stream_rng
from swarm_ext.arrivals.process import invert
from tests.integration.bench import LOCUSTFILES, run_locust, slow_server
from tests.integration.wire import lacking, watched

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from swarm_ext.arrivals import ArrivalProcess

    Floats = NDArray[np.float64]

SERVICE_SECONDS = 0.1
SETTLE_SECONDS = 1
"""How much of the beginning is not judged: generators start their workers then."""
RATES = (100.0, 1000.0, 3000.0)
SECONDS = 10
ROUNDS = 3
SEED = 7
IN_FLIGHT = 5000
CONSTANT = Path(__file__).with_name("constant_visitor.py")


@dataclass(frozen=True)
class Fidelity:
    """What one generator made of one rate, in the judged seconds. Rates are arrivals/s, lateness is in seconds."""

    generator: str
    promised: str
    asked_rate: float
    scheduled_rate: float
    """What its own schedule has in these seconds: of Poisson arrivals the number is random itself."""
    offered_rate: float
    ks_distance: float
    gap_error: float
    late_p50_seconds: float
    late_p99_seconds: float
    lost: int
    """Arrivals of the whole run that the generator dropped or that failed, as it says."""


def _locust(locustfile: Path, folder: Path, url: str, rate: float, seconds: int) -> int:
    ended = run_locust(
        folder, locustfile, "-H", url, "-u", "1", "--lamb", str(rate), "-t", str(seconds), "-s", "3", "--seed", str(SEED),
        "--max-in-flight", str(IN_FLIGHT),
    )  # fmt: skip
    if ended.code:
        raise SystemExit(ended.output)
    totals = ended.totals()
    return totals.failed + totals.dropped + totals.abandoned


def poisson(folder: Path, url: str, rate: float, seconds: int) -> int:
    """Run swarm-ext with Poisson arrivals; return how many were lost."""
    return _locust(LOCUSTFILES / "poisson.py", folder, url, rate, seconds)


def constant(folder: Path, url: str, rate: float, seconds: int) -> int:
    """Run swarm-ext with constant gaps, as the others make them; return how many arrivals were lost."""
    return _locust(CONSTANT, folder, url, rate, seconds)


def vegeta(folder: Path, url: str, rate: float, seconds: int) -> int:
    """Run vegeta; return how many requests failed."""
    (folder / "target").write_text(f"GET {url}/\n")
    limits = f"-rate {rate:.0f} -duration {seconds}s -workers {_in_flight(rate)} -max-workers {IN_FLIGHT} -keepalive=false"
    _run(folder, f"vegeta attack -targets target {limits} -output results")
    report = json.loads(_run(folder, "vegeta report -type json results"))
    return int(report["requests"] - report["status_codes"].get("200", 0))


def k6(folder: Path, url: str, rate: float, seconds: int) -> int:
    """Run k6's constant-arrival-rate; return how many iterations were dropped or failed."""
    scenario = {
        "executor": "constant-arrival-rate", "rate": round(rate), "timeUnit": "1s", "duration": f"{seconds}s",
        "preAllocatedVUs": _in_flight(rate), "maxVUs": IN_FLIGHT,
    }  # fmt: skip
    options = json.dumps({"noConnectionReuse": True, "scenarios": {"one": scenario}})
    (folder / "script.js").write_text(
        f"import http from 'k6/http';\nexport const options = {options};\nexport default () => {{ http.get('{url}/'); }};\n"
    )
    _run(folder, "k6 run --quiet --no-usage-report --summary-export summary.json script.js")
    metrics = json.loads((folder / "summary.json").read_text())["metrics"]
    dropped = metrics.get("dropped_iterations", {}).get("count", 0)
    return int(metrics["http_req_failed"]["passes"] + dropped)


@dataclass(frozen=True)
class Generator:
    """How one is run, and which process it promises for a rate."""

    run: Callable[[Path, str, float, int], int]
    promises: Callable[[float], ArrivalProcess]


GENERATORS = {
    "swarm-ext": Generator(poisson, Poisson),
    "swarm-ext, constant": Generator(constant, Constant),
    "vegeta": Generator(vegeta, Constant),
    "k6": Generator(k6, Constant),
}


def present() -> list[str]:
    """Return the names of the generators that this machine has."""
    return [name for name in GENERATORS if name.startswith("swarm-ext") or shutil.which(name)]


def measure(name: str, rate: float, seconds: int = SECONDS) -> Fidelity:
    """Let a generator, by its name in `GENERATORS`, offer so many arrivals/s, and judge so many seconds of them.

    It needs root. Raise SystemExit, with what it said, if the generator fails.
    """
    generator = GENERATORS[name]
    with tempfile.TemporaryDirectory() as folder:
        with _on_core(0), slow_server(Path(folder), SERVICE_SECONDS) as server:
            port = server.port
            with watched(port) as wire, _on_core(1):
                lost = generator.run(Path(folder), server.url, rate, seconds + SETTLE_SECONDS + 1)
        arrivals = np.array([packet.at for packet in wire.packets])
    process = generator.promises(rate)
    begin = arrivals[0] + SETTLE_SECONDS
    judged = (arrivals >= begin) & (arrivals < begin + seconds)
    instants = schedule(process, 2 * len(arrivals) + int(rate * seconds))
    late = (arrivals - instants[: len(arrivals)])[judged]
    instants += late.min()
    late -= late.min()
    gaps = np.diff(arrivals[judged])
    return Fidelity(
        generator=name,
        promised=process.kind,
        asked_rate=rate,
        scheduled_rate=float(((instants >= begin) & (instants < begin + seconds)).sum()) / seconds,
        offered_rate=float(judged.sum()) / seconds,
        ks_distance=ks_distance(gaps, process),
        gap_error=gap_error(gaps, process),
        late_p50_seconds=float(np.quantile(late, 0.5)),
        late_p99_seconds=float(np.quantile(late, 0.99)),
        lost=lost,
    )


def schedule(process: ArrivalProcess, number: int) -> Floats:
    """Return the instants of so many arrivals, as the first stream of a run has them, in seconds from anywhere."""
    return np.fromiter(islice(process.instants(stream_rng(SEED, 0), 0.0), number), float)


def ks_distance(gaps: Floats, process: ArrivalProcess) -> float:
    """Return the Kolmogorov-Smirnov distance of gaps to a process's law, which may have a jump at its mean."""
    points = np.append(gaps, process.mean)
    points = np.concatenate([points, np.nextafter(points, -math.inf)])
    measured = np.searchsorted(np.sort(gaps), points, side="right") / len(gaps)
    return float(np.abs(measured - [process.cdf(point) for point in points]).max())


def gap_error(gaps: Floats, process: ArrivalProcess) -> float:
    """Return the mean distance of gaps to the promised ones of their ranks, in mean gaps."""
    ranks = (np.arange(len(gaps)) + 0.5) / len(gaps)
    promised = [invert(process.hazard, -math.log1p(-rank), process.mean) for rank in ranks]
    return float(np.abs(np.sort(gaps) - promised).mean() / process.mean)


def measured_in_turn(
    rates: Sequence[float] = RATES, seconds: int = SECONDS, rounds: int = ROUNDS
) -> list[list[Fidelity]]:
    """Measure each present generator at each rate, round by round; return the rounds of each, to be compared by median."""
    asked = [(name, rate) for rate in rates for name in present()]
    taken: dict[tuple[str, float], list[Fidelity]] = {each: [] for each in asked}
    for _ in range(rounds):
        for name, rate in asked:
            taken[name, rate].append(measure(name, rate, seconds))
    return list(taken.values())


def median(rounds: Sequence[Fidelity]) -> Fidelity:
    """Return the medians of one generator's rounds at one rate, figure by figure."""
    numbers = [field.name for field in fields(Fidelity) if field.name not in ("generator", "promised")]
    middle = {name: statistics.median(getattr(each, name) for each in rounds) for name in numbers}
    return replace(rounds[0], **middle)


def table(taken: Sequence[Sequence[Fidelity]]) -> str:
    """Return the medians as a Markdown table, with the range of p99 of lateness."""
    columns = "generator|gaps promised|asked [1/s]|scheduled [1/s]|offered [1/s]|error|KS distance|gap error|late p50 [ms]|late p99 [ms] (range)|lost"
    lines = [f"| {columns.replace('|', ' | ')} |", "|---" * (columns.count("|") + 1) + "|"]
    for rounds in taken:
        it, late = median(rounds), [each.late_p99_seconds * 1e3 for each in rounds]
        lines.append(
            f"| {it.generator} | {it.promised} | {it.asked_rate:,.0f} | {it.scheduled_rate:,.1f} | {it.offered_rate:,.1f}"
            f" | {it.offered_rate / it.scheduled_rate - 1:+.1%} | {it.ks_distance:.3f} | {it.gap_error:.1%}"
            f" | {it.late_p50_seconds * 1e3:.3f} | {statistics.median(late):.2f} ({min(late):.2f}–{max(late):.2f})"
            f" | {it.lost:.0f} |"
        )
    return "\n".join(lines)


def _in_flight(rate: float) -> int:
    """Return how many requests a generator had better be ready to have in flight."""
    return min(IN_FLIGHT, int(2 * rate * SERVICE_SECONDS) + 20)


def _run(folder: Path, command: str) -> str:
    done = subprocess.run(
        command.split(), cwd=folder, capture_output=True, text=True, check=False, timeout=600
    )
    if done.returncode:
        raise SystemExit(f"{command}\n{done.stdout}{done.stderr}")
    return done.stdout


@contextmanager
def _on_core(number: int) -> Iterator[None]:
    """Keep what is started here on one core, if there are several."""
    before = os.sched_getaffinity(0)
    cores = sorted(before)
    os.sched_setaffinity(0, {cores[number % len(cores)]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "rates", type=float, nargs="*", default=RATES, help="arrivals/s (default: 100 1000 3000)"
    )
    parser.add_argument("--seconds", type=int, default=SECONDS, help="judged seconds of each slice")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="slices of each generator at each rate")
    chosen = parser.parse_args()
    if lacking():
        raise SystemExit(lacking())
    print(table(measured_in_turn(chosen.rates, chosen.seconds, chosen.rounds)))


if __name__ == "__main__":
    main()
