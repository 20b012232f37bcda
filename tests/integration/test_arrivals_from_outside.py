"""Arrivals as the network sees them: the asked process, at any rate, service time and number of users and workers.

What is judged, at 0.1 % false alarms each:

- the number of arrivals in the judged seconds (Poisson);
- the gaps: sums of so many that they span about 5 ms (one gap up to 200 arrivals/s, 25 of them at 5,000/s), by
  Kolmogorov-Smirnov. Requests leave one after the other, each after some 35 µs of work: no two arrivals are closer, and at
  5,000/s 16 % of a Poisson process's are. A sum of 25 gaps hardly shows that, but it shows a millisecond grid;
- the gaps themselves at 1,000/s and more, of which only so many are taken that such microseconds do not matter;
- the index of dispersion of counts in windows of 0.1, 1 and 10 s: bursts, pauses, and a drifting rate.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from swarm_ext.arrivals import Normal
from tests.arrival_statistics import (
    FALSE_ALARM,
    counts,
    dispersed_as_poisson,
    fits,
    fits_poisson,
    gaps,
    right_count,
    same_law,
)
from tests.integration.arrival_run import Asked, Seen, observe
from tests.integration.bed.prerequisites import skip_or_fail
from tests.integration.wire import lacking

if TYPE_CHECKING:
    from tests.arrival_statistics import Floats

pytestmark = pytest.mark.slow

HEAVY = "lomax(0.1,1.5)"
"""Service times of mean 100 ms and infinite variance."""
SPAN_SECONDS = 0.005
WINDOWS_SECONDS = (0.1, 1.0, 10.0)
SINGLE_GAPS = 150
"""How many single gaps are taken at 1,000/s and more."""

GENTLE_SECONDS, GENTLE_SETTLE_SECONDS = 40, 6
STREAMS = Path(__file__).with_name("stream_visitor.py")
NORMAL_OF_ONE, NORMAL_OF_EACH = Normal(0.02, 0.01), Normal(0.5, 0.1)


def gentle(
    rate: float, users: int, service: float | str, *options: str, locustfile: Path | None = None
) -> Asked:
    """A run that takes hardly any CPU, so that all of these can run at the same time."""
    chosen = {} if locustfile is None else {"locustfile": locustfile}
    return Asked(rate, users, service, GENTLE_SECONDS, GENTLE_SETTLE_SECONDS, options=options, **chosen)


GENTLE = {
    "10/s at once from 1 user": gentle(10, 1, 0.0),
    "10/s heavy-tailed from 50 users": gentle(10, 50, HEAVY),
    "100/s at once from 50 users": gentle(100, 50, 0.0),
    "100/s 100 ms from 1 user": gentle(100, 1, 0.1),
    "100/s heavy-tailed from 50 users": gentle(100, 50, HEAVY),
}
CLOSED = gentle(100, 50, 0.1, "--closed")
NORMAL = {
    "1 user": gentle(50, 1, 0.1, "--mu", "0.02", "--sigma", "0.01", locustfile=STREAMS),
    "50 users": gentle(100, 50, HEAVY, "--mu", "0.5", "--sigma", "0.1", locustfile=STREAMS),
}
FAST = {
    "1000/s at once from 1 user": Asked(1000, 1, 0.0, 10),
    "1000/s heavy-tailed from 50 users": Asked(1000, 50, HEAVY, 10),
    "5000/s at once from 1 user": Asked(5000, 1, 0.0, 10),
    "5000/s 100 ms from 50 users": Asked(5000, 50, 0.1, 10),
    "5000/s heavy-tailed from 1 user": Asked(5000, 1, HEAVY, 10),
}
TOTAL = 12_500
ONE_PROCESS = Asked(1000, 50, 0.1, 10, options=("--iter", str(TOTAL), "-t", "60"))
TWO_WORKERS = Asked(1000, 50, 0.1, 10, options=("--iter", str(TOTAL), "-t", "60", "--processes", "2"), seed=8)


@pytest.fixture(scope="module", autouse=True)
def _can_see() -> None:
    if lacking():
        skip_or_fail(lacking())


@pytest.fixture(scope="module")
def gentle_runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Seen]:
    folder = tmp_path_factory.mktemp("gentle")
    runs = {**GENTLE, **NORMAL, "closed": CLOSED}
    with ThreadPoolExecutor(len(runs)) as pool:
        futures = [pool.submit(observe, folder / str(i), asked) for i, asked in enumerate(runs.values())]
        return {name: future.result() for name, future in zip(runs, futures, strict=True)}


def span(rate: float) -> int:
    """Return how many gaps span so much time that microseconds do not matter."""
    return max(1, round(rate * SPAN_SECONDS))


def p_values(arrivals: Floats, asked: Asked) -> dict[str, float]:
    """Return the p-value of each test of arrivals, in seconds since the judged ones began."""
    rate, seconds = asked.rate, asked.seconds
    found = {
        "count": right_count(len(arrivals), rate * seconds),
        f"sums of {span(rate)} gaps": fits_poisson(arrivals, rate, every=span(rate)),
    }
    if span(rate) > 1:
        found["single gaps"] = fits_poisson(arrivals[: SINGLE_GAPS + 1], rate)
    for window in WINDOWS_SECONDS:
        counted = counts(arrivals, window, 0, seconds)
        found[f"dispersion in {window:g} s"] = dispersed_as_poisson(counted, rate * window)
    return found


def rejected(arrivals: Floats, asked: Asked) -> dict[str, float]:
    return {test: p for test, p in p_values(arrivals, asked).items() if p < FALSE_ALARM}


def assert_accounted(seen: Seen) -> None:
    """Every arrival that the run counts was on the wire once, and at the server; none was lost."""
    totals = seen.totals
    assert (totals.failed, totals.dropped) == (0, 0)
    assert len(seen.every) == totals.offered == seen.requests


@pytest.mark.parametrize("name", GENTLE)
def test_at_low_rates_arrivals_are_the_poisson_process_that_was_asked_for(
    gentle_runs: dict[str, Seen], name: str
) -> None:
    seen = gentle_runs[name]
    assert_accounted(seen)
    assert rejected(seen.judged, GENTLE[name]) == {}


@pytest.mark.parametrize("name", FAST)
def test_at_high_rates_arrivals_are_the_poisson_process_that_was_asked_for(tmp_path: Path, name: str) -> None:
    asked = FAST[name]
    seen = observe(tmp_path, asked)
    assert_accounted(seen)
    assert rejected(seen.judged, asked) == {}
    on_a_grid = np.ceil(seen.judged * 1000) / 1000
    assert f"sums of {span(asked.rate)} gaps" in rejected(on_a_grid, asked)
    if asked.rate >= 5000:
        too_fast = seen.every / 1.03
        assert "count" in rejected(too_fast[(too_fast >= 0) & (too_fast < asked.seconds)], asked)


def test_a_closed_loop_would_be_noticed(gentle_runs: dict[str, Seen]) -> None:
    assert {"count", "sums of 1 gaps"} <= rejected(gentle_runs["closed"].judged, CLOSED).keys()


def test_the_gaps_of_a_normal_user_follow_the_law_itself(gentle_runs: dict[str, Seen]) -> None:
    seen = gentle_runs["1 user"]
    assert_accounted(seen)
    assert fits(gaps(seen.judged), np.vectorize(NORMAL_OF_ONE.cdf)) > FALSE_ALARM


def test_the_gaps_of_each_of_fifty_normal_users_follow_the_law_and_their_sum_does_not(
    gentle_runs: dict[str, Seen],
) -> None:
    seen = gentle_runs["50 users"]
    assert_accounted(seen)
    assert len(seen.streams) == 50
    # the same number of gaps from each: those cut off at the end would be the long ones
    own = np.concatenate([gaps(instants[:75]) for instants in seen.streams.values()])
    law = np.vectorize(NORMAL_OF_EACH.cdf)
    assert fits(own, law) > FALSE_ALARM
    assert fits(gaps(seen.judged), law) < FALSE_ALARM


def test_two_workers_make_the_same_process_as_one_and_the_same_total(tmp_path: Path) -> None:
    one, two = observe(tmp_path / "one", ONE_PROCESS), observe(tmp_path / "two", TWO_WORKERS)
    for seen, asked in ((one, ONE_PROCESS), (two, TWO_WORKERS)):
        assert_accounted(seen)
        assert seen.totals.offered == TOTAL
        assert rejected(seen.judged, asked) == {}
    every = span(ONE_PROCESS.rate)
    assert same_law(gaps(one.judged, every=every), gaps(two.judged, every=every)) > FALSE_ALARM
