"""Rates that vary, end to end: as asked, from one process or several, whatever their clocks say."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from scipy import stats

from swarm_ext.arrivals import parse_profile
from swarm_ext.arrivals.check import kolmogorov_smirnov, rate_test
from tests.integration.bench import LOCUSTFILES, assert_refused_before_any_load, run_locust
from tests.integration.cluster import Cluster

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.bench import SlowServer

PROFILE = LOCUSTFILES / "profile.py"
LEVEL = 1e-3


@pytest.mark.parametrize("processes", [(), ("--processes", "2")], ids=["local", "two workers"])
def test_a_profile_is_followed_and_ends_the_run(
    tmp_path: Path, server: SlowServer, processes: tuple[str, ...]
) -> None:
    # many users of low rates: a busy machine's late wake-ups are little beside their gaps
    text, users = "0.5@4s,6@4s,0@3s,6..0@4s,sine(2,2,2s)@4s", 40
    ended = run_locust(
        tmp_path, PROFILE, "-H", server.url, "-u", str(users), "-r", "1000", "--rate-profile", text, "--seed", "11", "-s", "10",
        *processes,
    )  # fmt: skip
    assert ended.code == 0, ended.output
    assert "The rate profile has ended" in ended.output
    run, profile = ended.run(), parse_profile(text)
    assert run.arrival_process is not None
    assert (run.arrival_process.kind, run.options["rate_profile"]) == ("profile", text)
    check = run.arrival_check
    assert check is not None
    score, gaps = rate_test(check), kolmogorov_smirnov(check)
    assert score is not None
    assert gaps is not None
    assert abs(score) < 4
    assert gaps.p_value > LEVEL
    assert len(server.arrivals()) == check.observed == ended.totals().offered
    assert check.expected == pytest.approx(users * profile.arrivals_until(19), rel=0.1)
    begin = run.start.timestamp()
    asked = {sample.timestamp.timestamp() + 1 - begin: sample.asked_rate for sample in ended.load()}
    for at, rate in asked.items():
        around = [users * profile.rate_at(at + shift / 100) for shift in range(-60, 61)]
        if 1 < at < 18:
            assert rate is not None
            assert min(around) - 0.1 <= rate <= max(around) + 0.1, f"{rate}/s asked at {at:.2f} s"
    quiet = [sample for sample in ended.load() if 8.5 <= sample.timestamp.timestamp() - begin <= 9.5]
    assert [sample.offered for sample in quiet] == [0] * len(quiet) != []


def test_as_a_server_sees_it_a_profile_is_a_poisson_process_in_rescaled_time(
    tmp_path: Path, server: SlowServer
) -> None:
    text = "2..60@10s"
    ended = run_locust(tmp_path, PROFILE, "-H", server.url, "-u", "1", "--rate-profile", text, "--seed", "3")
    assert ended.code == 0, ended.output
    profile, seen = parse_profile(text), server.arrivals()
    # when the run began is not known to the server to the millisecond; the last arrival's place in the record is
    assert len(seen) == ended.totals().offered
    first = min(sample.timestamp.timestamp() for sample in ended.load() if sample.offered)
    assert first - ended.run().start.timestamp() < 2
    best = max(ks(seen, profile, seen[0] - lead / 100) for lead in range(100))
    assert best > LEVEL
    assert max(ks(seen, parse_profile("60..2@10s"), seen[0] - lead / 100) for lead in range(100)) < LEVEL


def ks(seen: list[float], profile: object, origin: float) -> float:
    laid = [0.0, *(profile.arrivals_until(instant - origin) for instant in seen)]  # type: ignore[attr-defined]
    gaps = [later - earlier for earlier, later in pairwise(laid)]
    return float(stats.kstest(gaps, "expon").pvalue)


def test_a_user_that_is_spawned_late_starts_within_the_profile(tmp_path: Path, server: SlowServer) -> None:
    # at 1 user/s the fourth is there after 3 s, when the rate has been 0 for a second
    ended = run_locust(
        tmp_path, PROFILE, "-H", server.url, "-u", "4", "-r", "1", "--rate-profile", "40@2s,0@5s,10@2s", "--seed", "2"
    )  # fmt: skip
    assert ended.code == 0, ended.output
    begin = ended.run().start.timestamp()
    quiet = [s.offered for s in ended.load() if 2.5 <= s.timestamp.timestamp() - begin <= 5.9]
    assert quiet == [0] * len(quiet) != []


def test_each_process_follows_the_masters_time_whatever_its_clocks_say(
    tmp_path: Path, server: SlowServer
) -> None:
    cluster = Cluster(tmp_path, PROFILE)
    try:
        master = cluster.master(
            "-H", server.url, "-u", "4", "-r", "50", "--rate-profile", "0@3s,50@3s,0@2s", "-s", "5", "--expect-workers", "2"
        )  # fmt: skip
        cluster.worker_with_clock(500)
        cluster.worker_with_clock(-3)
        ended = master.end()
    finally:
        cluster.end()
    assert ended.code == 0, ended.output
    run = ended.run()
    begin = run.start.timestamp()
    when = [s.timestamp.timestamp() - begin for s in ended.load() if s.offered]
    assert 400 < ended.totals().offered < 800
    assert min(when) >= 3 - 1.5
    assert max(when) <= 6 + 0.5
    assert len([at for at in when if 3 <= at <= 5]) >= 2
    assert sorted(run.worker_clocks.values()) == [pytest.approx(-3, abs=0.5), pytest.approx(500, abs=0.5)]


def test_a_file_of_rates_is_read_on_the_master_only(tmp_path: Path, server: SlowServer) -> None:
    (tmp_path / "rates.csv").write_text("time,rate\n0,40\n1,40\n1,10\n3,10\n")
    ended = run_locust(
        tmp_path, PROFILE, "-H", server.url, "-u", "2", "-r", "50", "--rate-profile", "@rates.csv", "-s", "5"
    )
    assert ended.code == 0, ended.output
    assert ended.run().options["rate_profile"] == "40@1s,10@2s"


@pytest.mark.parametrize(
    ("locustfile", "options", "words"),
    [
        (PROFILE, ("--rate-profile", "10@60s,50@"), "piece 2, '50@': '' is not a duration"),
        (PROFILE, ("--rate-profile", "@missing.csv"), "'missing.csv' cannot be read (no such file or directory)"),
        (PROFILE, (), "ProfileVisitor: there is no rate profile: give --rate-profile"),
        (PROFILE, ("--rate-profile", "1@5s", "--closed"), "--closed waits for responses"),
        (LOCUSTFILES / "poisson.py", ("--rate-profile", "1@5s"), "no user class here follows it; use ProfileUser"),
    ],
)  # fmt: skip
def test_what_cannot_be_followed_is_refused_in_one_line_before_any_load(
    tmp_path: Path, locustfile: Path, options: tuple[str, ...], words: str
) -> None:
    ended = run_locust(tmp_path, locustfile, "-H", "http://127.0.0.1:9", *options)
    assert_refused_before_any_load(ended, words)
