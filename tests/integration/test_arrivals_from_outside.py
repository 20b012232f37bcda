"""Arrivals as the network sees them: the asked process, at any rate, service time and number of users and workers.

What is judged, at 0.1 % false alarms each:

- the number of arrivals in the judged seconds (Poisson): 10 s at 5,000/s show an error of the rate of 3 % (6.7 standard
  deviations);
- the gaps, by Kolmogorov-Smirnov, but for 100 µs. Requests leave one after the other, each after some 35 µs of work: no two
  arrivals are closer, though at 5,000/s 16 % of a Poisson process's are. Seen from outside the plain distance is 0.16
  there and 0.05 at 1,000/s, and says nothing else;
- the sums of so many gaps that they span about 5 ms (25 of them at 5,000/s), by Kolmogorov-Smirnov without a tolerance:
  what shifts single arrivals by microseconds does not show in them (the distance of 2,000 sums is 0.018, where 0.043
  would be rejected), an error of the rate does;
- the index of dispersion of counts in windows of 0.1, 1 and 10 s: bursts, pauses, and a drifting rate.

Seen with a broken generator: with a loop that sleeps whole milliseconds the gaps have p = 10^-254 at 1,000/s and 10^-149 at
5,000/s, the sums 10^-5; 3 % too fast at 5,000/s, the count has p = 10^-12 and the sums 10^-10; in a closed loop all is 0.

Two cores do other things as well, so generator and server have precedence over everything else while they are watched
(`arrival_run`). At a load average of 9 the schedule lag's p99 was 2 to 6 ms at 5,000/s, and the same tests passed.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import stats

from swarm_ext.arrivals import Normal
from tests.arrival_statistics import (
    FALSE_ALARM,
    counts,
    dispersed_as_poisson,
    fits,
    fits_poisson,
    fits_within,
    gaps,
    right_count,
    same_law,
)
from tests.integration.arrival_run import Asked, Seen, observe
from tests.integration.bed.prerequisites import skip_or_fail
from tests.integration.wire import lacking

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.arrival_statistics import Floats

pytestmark = [pytest.mark.slow, pytest.mark.alone]

HEAVY = "lomax(0.1,1.5)"
"""Service times of mean 100 ms and infinite variance."""
SPAN_SECONDS = 0.005
WINDOWS_SECONDS = (0.1, 1.0, 10.0)
TOLERANCE_SECONDS = 100e-6

GENTLE_SECONDS, GENTLE_SETTLE_SECONDS = 40, 6
STREAMS = Path(__file__).with_name("stream_visitor.py")


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
NORMAL_OF_ONE, NORMAL_OF_EACH = Normal(0.02, 0.01), Normal(0.5, 0.1)
ONE_NORMAL = gentle(50, 1, 0.1, "--mu", "0.02", "--sigma", "0.01", locustfile=STREAMS)
FIFTY_NORMAL = gentle(100, 50, HEAVY, "--mu", "0.5", "--sigma", "0.1", locustfile=STREAMS)
FAST = {
    "1000/s at once from 1 user": Asked(1000, 1, 0.0, 10),
    "1000/s heavy-tailed from 50 users": Asked(1000, 50, HEAVY, 10),
    "5000/s at once from 1 user": Asked(5000, 1, 0.0, 10, seed=8),
    "5000/s 100 ms from 50 users": Asked(5000, 50, 0.1, 10, seed=8),
    "5000/s heavy-tailed from 1 user": Asked(5000, 1, HEAVY, 10, seed=8),
}
TOTAL = 12_500
UNTIL_TOTAL = ("--iter", str(TOTAL), "-t", "60")
ONE_PROCESS = Asked(1000, 50, 0.1, 10, options=UNTIL_TOTAL)
TWO_WORKERS = Asked(1000, 50, 0.1, 10, options=(*UNTIL_TOTAL, "--processes", "2"), seed=4)


def span(rate: float) -> int:
    """Return how many gaps span so much time that microseconds do not matter."""
    return max(1, round(rate * SPAN_SECONDS))


def rejected(arrivals: Floats, asked: Asked) -> dict[str, float]:
    """Return the p-values of the tests that reject arrivals, in seconds since the judged ones began."""
    rate, seconds = asked.rate, asked.seconds
    p_values = {
        "count": right_count(len(arrivals), rate * seconds),
        "gaps": fits_within(gaps(arrivals), stats.expon(scale=1 / rate).cdf, TOLERANCE_SECONDS),
        "sums of gaps": fits_poisson(arrivals, rate, every=span(rate)),
    }
    for window in WINDOWS_SECONDS:
        counted = counts(arrivals, window, 0, seconds)
        p_values[f"dispersion in {window:g} s"] = dispersed_as_poisson(counted, rate * window)
    return {test: p for test, p in p_values.items() if p < FALSE_ALARM}


def normal_gaps_rejected(durations: Floats, law: Normal) -> dict[str, float]:
    p_value = fits(durations, np.vectorize(law.cdf))
    return {"gaps": p_value} if p_value < FALSE_ALARM else {}


def gaps_of_each(seen: Seen) -> Floats:
    """The same number of gaps of each stream: those cut off at the end would be the long ones."""
    return np.concatenate([gaps(instants[:75]) for instants in seen.streams.values()])


def observe_poisson(folder: Path, asked: Asked) -> Seen:
    return observe(folder, asked, lambda seen: rejected(seen.judged, asked))


def observe_one_normal(folder: Path) -> Seen:
    return observe(folder, ONE_NORMAL, lambda seen: normal_gaps_rejected(gaps(seen.judged), NORMAL_OF_ONE))


def observe_fifty_normal(folder: Path) -> Seen:
    return observe(
        folder, FIFTY_NORMAL, lambda seen: normal_gaps_rejected(gaps_of_each(seen), NORMAL_OF_EACH)
    )


@pytest.fixture(scope="module", autouse=True)
def _can_see() -> None:
    if lacking():
        skip_or_fail(lacking())


@pytest.fixture(scope="module")
def gentle_runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Seen]:
    runs = {
        **{name: partial(observe_poisson, asked=asked) for name, asked in GENTLE.items()},
        "closed": partial(observe_poisson, asked=CLOSED),
        "one normal": observe_one_normal,
        "fifty normal": observe_fifty_normal,
    }
    with ThreadPoolExecutor(len(runs)) as pool:
        futures = {name: pool.submit(run, tmp_path_factory.mktemp("gentle")) for name, run in runs.items()}
        return {name: future.result() for name, future in futures.items()}


@pytest.fixture(scope="module")
def fast_run(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Seen]:
    """Runs that take half of the machine, each when it is asked for first, and once."""
    return cache(lambda name: observe_poisson(tmp_path_factory.mktemp("fast"), FAST[name]))


@pytest.mark.parametrize("name", GENTLE)
def test_at_low_rates_arrivals_are_the_poisson_process_that_was_asked_for(
    gentle_runs: dict[str, Seen], name: str
) -> None:
    seen = gentle_runs[name]
    assert seen.complete
    assert rejected(seen.judged, GENTLE[name]) == {}


@pytest.mark.parametrize("name", FAST)
def test_at_high_rates_arrivals_are_the_poisson_process_that_was_asked_for(
    fast_run: Callable[[str], Seen], name: str
) -> None:
    seen = fast_run(name)
    assert seen.complete
    assert rejected(seen.judged, FAST[name]) == {}


@pytest.mark.parametrize("name", ["1000/s at once from 1 user", "5000/s at once from 1 user"])
def test_a_grid_of_milliseconds_would_be_noticed(fast_run: Callable[[str], Seen], name: str) -> None:
    on_a_grid = np.ceil(fast_run(name).judged * 1000) / 1000
    assert {"gaps", "sums of gaps"} <= rejected(on_a_grid, FAST[name]).keys()


def test_arrivals_that_are_three_per_cent_too_fast_would_be_noticed(fast_run: Callable[[str], Seen]) -> None:
    name = "5000/s at once from 1 user"
    too_fast = fast_run(name).every / 1.03
    seconds = FAST[name].seconds
    assert "count" in rejected(too_fast[(too_fast >= 0) & (too_fast < seconds)], FAST[name])


def test_a_closed_loop_would_be_noticed(gentle_runs: dict[str, Seen]) -> None:
    assert {"count", "gaps", "sums of gaps"} <= rejected(gentle_runs["closed"].judged, CLOSED).keys()


def test_the_gaps_of_a_normal_user_follow_the_law_itself(gentle_runs: dict[str, Seen]) -> None:
    seen = gentle_runs["one normal"]
    assert seen.complete
    assert normal_gaps_rejected(gaps(seen.judged), NORMAL_OF_ONE) == {}


def test_the_gaps_of_each_of_fifty_normal_users_follow_the_law_and_their_sum_does_not(
    gentle_runs: dict[str, Seen],
) -> None:
    seen = gentle_runs["fifty normal"]
    assert seen.complete
    assert len(seen.streams) == 50
    assert normal_gaps_rejected(gaps_of_each(seen), NORMAL_OF_EACH) == {}
    assert normal_gaps_rejected(gaps(seen.judged), NORMAL_OF_EACH)


def test_two_workers_make_the_same_process_as_one_and_the_same_total(tmp_path: Path) -> None:
    one = observe_poisson(tmp_path / "one", ONE_PROCESS)
    two = observe_poisson(tmp_path / "two", TWO_WORKERS)
    for seen, asked in ((one, ONE_PROCESS), (two, TWO_WORKERS)):
        assert seen.complete
        assert seen.totals.offered == TOTAL
        assert rejected(seen.judged, asked) == {}
    every = span(ONE_PROCESS.rate)
    assert same_law(gaps(one.judged, every=every), gaps(two.judged, every=every)) > FALSE_ALARM
