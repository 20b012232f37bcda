"""Arrivals as a server sees them: as asked, whatever its response time; and the older way, for comparison."""

from __future__ import annotations

import statistics
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import stats

from swarm_ext.arrivals import Normal, Poisson
from tests.integration.bench import LOCUSTFILES, run_locust, slow_server

if TYPE_CHECKING:
    from pathlib import Path

    from swarm_ext.arrivals import ArrivalProcess

SERVICE_SECONDS = 0.1
FALSE_ALARM = 1e-3
"""The share of right generators that a test would reject; seeds are fixed, so it passes or fails for good."""

POISSON = (LOCUSTFILES / "poisson.py", ("--lamb", "10"), Poisson(10))
NORMAL = (LOCUSTFILES / "normal.py", ("--mu", "0.2", "--sigma", "0.1"), Normal(0.2, 0.1))
BOTH = pytest.mark.parametrize(
    ("locustfile", "options", "process"), [POISSON, NORMAL], ids=["Poisson", "normal"]
)


@dataclass(frozen=True)
class Asked:
    """A run of one user: how it is started, and the law that its gaps should follow."""

    process: ArrivalProcess
    locustfile: str
    options: tuple[str, ...]


RUNS = {
    "Poisson": Asked(Poisson(10), "poisson.py", ("--lamb", "10")),
    "Poisson closed": Asked(Poisson(10), "poisson.py", ("--lamb", "10", "--closed")),
    "normal": Asked(Normal(0.2, 0.1), "normal.py", ("--mu", "0.2", "--sigma", "0.1")),
    "normal closed": Asked(Normal(0.2, 0.1), "normal.py", ("--mu", "0.2", "--sigma", "0.1", "--closed")),
    "Poisson again": Asked(Poisson(10), "poisson.py", ("--lamb", "10")),
}


def gaps_seen(folder: Path, asked: Asked) -> list[float]:
    """The gaps between 200 arrivals of one user, measured by a server that takes 100 ms."""
    folder.mkdir()
    with slow_server(folder, SERVICE_SECONDS) as server:
        command = ("-H", server.url, "--iter", "200", "--seed", "7", *asked.options)
        ended = run_locust(folder, LOCUSTFILES / asked.locustfile, *command)
        assert ended.code == 0, ended.output
        arrivals = server.arrivals()
    assert len(arrivals) == 200
    return [later - earlier for earlier, later in pairwise(arrivals)]


@pytest.fixture(scope="module")
def gaps(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[float]]:
    """The gaps of every run. They take a minute and hardly any CPU, so all run at the same time."""
    folder = tmp_path_factory.mktemp("seen")
    with ThreadPoolExecutor(len(RUNS)) as pool:
        futures = {name: pool.submit(gaps_seen, folder / name, asked) for name, asked in RUNS.items()}
        return {name: future.result() for name, future in futures.items()}


def p_value(gaps: list[float], process: ArrivalProcess) -> float:
    return float(stats.kstest(gaps, np.vectorize(process.cdf)).pvalue)


@pytest.mark.parametrize("name", ["Poisson", "normal"])
def test_the_offered_rate_and_the_gaps_are_as_asked(gaps: dict[str, list[float]], name: str) -> None:
    process = RUNS[name].process
    noise = process.std / len(gaps[name]) ** 0.5
    assert abs(statistics.fmean(gaps[name]) - process.mean) < stats.norm.isf(FALSE_ALARM / 2) * noise
    assert p_value(gaps[name], process) > FALSE_ALARM


@pytest.mark.parametrize("name", ["Poisson closed", "normal closed"])
def test_the_closed_loop_sleeps_after_the_response_and_so_offers_less(
    gaps: dict[str, list[float]], name: str
) -> None:
    process = RUNS[name].process
    assert statistics.fmean(gaps[name]) >= process.mean + 0.8 * SERVICE_SECONDS
    assert p_value(gaps[name], process) < FALSE_ALARM


def test_the_same_seed_gives_the_same_arrivals(gaps: dict[str, list[float]]) -> None:
    again = zip(gaps["Poisson"], gaps["Poisson again"], strict=True)
    assert statistics.median(abs(first - second) for first, second in again) < 0.01


def test_a_new_connection_is_made_for_each_arrival_unless_kept_alive(tmp_path: Path) -> None:
    with slow_server(tmp_path, 0.0) as server:
        # what is due at once after the machine has held everything up has a connection each, also when they are kept
        for options, fewest, most in (((), 50, 50), (("--keep-alive",), 1, 25)):
            before = server.connections()
            ended = run_locust(
                tmp_path,
                LOCUSTFILES / "poisson.py",
                "-H",
                server.url,
                "--lamb",
                "40",
                "--iter",
                "50",
                "--seed",
                "5",
                *options,
            )
            assert ended.code == 0, ended.output
            made = server.connections() - before
            assert fewest <= made <= most
