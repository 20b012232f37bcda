"""Rates that vary and recorded arrivals, end to end: as asked, from one process or several, whatever becomes of a worker."""

from __future__ import annotations

import contextlib
import random
import re
import signal
import socket
import time
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

import pytest
import requests
from scipy import stats

from swarm_ext.arrivals import parse_profile
from swarm_ext.arrivals.check import kolmogorov_smirnov, rate_test
from swarm_ext.asked import REPLAY_LEAD_SECONDS
from tests.integration.bed.frozen import freeze, thaw
from tests.integration.bench import LOCUSTFILES, LocustProcess, run_locust, slow_server
from tests.integration.cluster import Cluster, wait_for_arrivals
from tests.integration.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from swarm_ext.model import Run
    from tests.integration.bench import Ended, SlowServer

PROFILE = LOCUSTFILES / "profile.py"
REPLAY = LOCUSTFILES / "replay.py"
LEVEL = 1e-3
LATE_SECONDS = 0.5
"""How late most arrivals may be, on a machine that does other things as well."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SlowServer]:
    with slow_server(tmp_path, 0.02) as running:
        yield running


def recording(folder: Path, arrivals: int, rate: float) -> tuple[Path, list[float]]:
    """Write a file of recorded arrivals, not in order; return their instants, in order, counted from the first."""
    rng = random.Random(5)
    instants = list(accumulate(rng.expovariate(rate) for _ in range(arrivals)))
    rows = [f"{1.7e9 + instant:.6f},GET /{number}" for number, instant in enumerate(instants)]
    rng.shuffle(rows)
    file = folder / "arrivals.csv"
    file.write_text("\n".join(["timestamp,request", *rows]) + "\n")
    return file, [instant - instants[0] for instant in instants]


def the_run(ended: Ended) -> Run:
    (run,) = ended.runs()
    return run


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
    run, profile = the_run(ended), parse_profile(text)
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
    assert first - the_run(ended).start.timestamp() < 2
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
    begin = the_run(ended).start.timestamp()
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
    run = the_run(ended)
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
    assert the_run(ended).options["rate_profile"] == "40@1s,10@2s"


@pytest.mark.parametrize(
    ("locustfile", "options", "words"),
    [
        (PROFILE, ("--rate-profile", "10@60s,50@"), "piece 2, '50@': '' is not a duration"),
        (PROFILE, ("--rate-profile", "@missing.csv"), "'missing.csv' cannot be read (no such file or directory)"),
        (PROFILE, (), "ProfileVisitor: there is no rate profile: give --rate-profile"),
        (PROFILE, ("--rate-profile", "1@5s", "--closed"), "--closed waits for responses"),
        (REPLAY, (), "ReplayVisitor: there is nothing to replay: give --replay arrivals.csv"),
        (REPLAY, ("--replay", "missing.csv"), "--replay 'missing.csv' cannot be read"),
        (REPLAY, ("--replay", "wrong.csv"), "--replay 'wrong.csv', line 2: 'x' is not a time in seconds"),
        (REPLAY, ("--replay", "wrong.csv", "--replay-speed", "0"), "'0' is not above 0"),
        (REPLAY, ("--replay", "wrong.csv", "--rate-profile", "1@5s"), "--rate-profile and --replay both say when"),
        (LOCUSTFILES / "poisson.py", ("--rate-profile", "1@5s"), "no user class here follows it; use ProfileUser"),
        (LOCUSTFILES / "poisson.py", ("--replay", "wrong.csv"), "only ReplayUser replays (locustfiles/replay.py)"),
    ],
)  # fmt: skip
def test_what_cannot_be_followed_is_refused_in_one_line_before_any_load(
    tmp_path: Path, locustfile: Path, options: tuple[str, ...], words: str
) -> None:
    (tmp_path / "wrong.csv").write_text("1\nx\n")
    ended = run_locust(tmp_path, locustfile, "-H", "http://127.0.0.1:9", *options)
    assert ended.code == 2, ended.output
    assert words in ended.last_line
    assert "Traceback" not in ended.output
    assert not ended.store.exists() or ended.runs() == []


def assert_replayed(server: SlowServer, instants: list[float]) -> None:
    """Each recorded arrival came to the server once, and nearly all of them when they should."""
    seen = server.arrivals()
    assert len(seen) == len(instants)
    shifts = sorted(arrived - instant for arrived, instant in zip(seen, instants, strict=True))
    begun = shifts[len(shifts) // 20]
    late = [shift - begun for shift in shifts]
    assert late[len(late) * 9 // 10] < LATE_SECONDS, f"p90 {late[len(late) * 9 // 10]:.3f} s"


@pytest.mark.parametrize(
    ("users", "processes"),
    [(1, ()), (7, ("--processes", "2")), (5, ("--processes", "4"))],
    ids=["one user", "two workers", "four workers"],
)
def test_each_recorded_arrival_is_fired_once_at_its_instant_by_however_many(
    tmp_path: Path, server: SlowServer, users: int, processes: tuple[str, ...]
) -> None:
    file, instants = recording(tmp_path, 400, 50)
    ended = run_locust(
        tmp_path, REPLAY, "-H", server.url, "-u", str(users), "-r", "100", "--replay", file.name, "-s", "10", *processes
    )  # fmt: skip
    assert ended.code == 0, ended.output
    assert_replayed(server, instants)
    run = the_run(ended)
    assert run.arrival_process is not None
    assert run.arrival_process.kind == "replay"
    assert run.arrival_process.recorded == 400
    assert run.arrival_check is not None
    assert (run.arrival_check.observed, run.arrival_check.expected) == (400, 400)
    assert run.troubles == ()
    assert "400 of 400 recorded arrivals that were due until the end" in ended.output
    begin = run.start.timestamp() + REPLAY_LEAD_SECONDS
    asked = [s.asked_rate for s in ended.load() if 1 < s.timestamp.timestamp() - begin < 6]
    assert all(rate is not None and 35 < rate < 70 for rate in asked)
    assert asked


def test_a_replay_may_be_faster_and_cut_by_iter(tmp_path: Path, server: SlowServer) -> None:
    file, instants = recording(tmp_path, 400, 25)
    options = ("--replay", file.name, "--replay-speed", "2.5", "--iter", "150")
    ended = run_locust(tmp_path, REPLAY, "-H", server.url, "-u", "3", "-r", "100", *options)
    assert ended.code == 0, ended.output
    assert_replayed(server, [instant / 2.5 for instant in instants[:150]])
    assert ended.totals().offered == 150


def test_a_replay_that_is_stopped_tells_how_many_were_due(tmp_path: Path, server: SlowServer) -> None:
    file, _ = recording(tmp_path, 3000, 50)
    ended = run_locust(
        tmp_path, REPLAY, "-H", server.url, "-u", "3", "-r", "100", "--replay", file.name, "-t", "6"
    )
    assert ended.code == 0, ended.output
    check = the_run(ended).arrival_check
    assert check is not None
    assert check.expected is not None
    assert 100 < check.observed < 400
    assert check.expected == pytest.approx(check.observed, abs=50)
    assert f"{check.observed} of {check.expected:.0f} recorded arrivals" in ended.output


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    made = Cluster(tmp_path, REPLAY)
    yield made
    made.end()


def test_what_a_worker_had_that_is_killed_during_a_replay_is_fired_by_the_others(
    tmp_path: Path, server: SlowServer, cluster: Cluster
) -> None:
    file, instants = recording(tmp_path, 600, 40)
    master = cluster.master(
        "-H", server.url, "-u", "4", "-r", "50", "--replay", file.name, "-s", "5", "--expect-workers", "2"
    )
    cluster.worker()
    lost = cluster.worker()
    wait_for_arrivals(server, 150)
    lost.process.send_signal(signal.SIGKILL)
    ended = master.end()
    assert ended.code == 0, ended.output
    run = the_run(ended)
    (trouble,) = run.troubles
    uncertain = re.search(r"was lost \d+ s into the run: .* are uncertain \(about (\d+)\)", trouble.message)
    assert uncertain is not None, trouble
    assert len(instants) <= len(server.arrivals()) <= len(instants) + int(uncertain[1])
    assert run.arrival_check is not None
    assert run.arrival_check.expected == 600


def test_a_worker_that_stands_still_during_a_replay_fires_nothing_that_others_fire(
    tmp_path: Path, server: SlowServer, cluster: Cluster
) -> None:
    file, instants = recording(tmp_path, 900, 40)
    master = cluster.master(
        "-H", server.url, "-u", "4", "-r", "50", "--replay", file.name, "-s", "5", "--expect-workers", "2"
    )
    cluster.worker()
    paused = cluster.worker()
    wait_for_arrivals(server, 150)
    freeze(paused.process.pid)
    try:
        master.wait_for("was lost")
    finally:
        thaw(paused.process.pid)
    ended = master.end()
    assert ended.code == 0, ended.output
    again = re.search(r"(\d+) recorded arrivals were fired twice", ended.output)
    assert len(server.arrivals()) == len(instants) + (int(again[1]) if again else 0)
    assert "came back" in ended.output


def test_a_worker_that_joins_late_has_its_share_of_the_rest(
    tmp_path: Path, server: SlowServer, cluster: Cluster
) -> None:
    file, instants = recording(tmp_path, 800, 40)
    master = cluster.master("-H", server.url, "-u", "4", "-r", "50", "--replay", file.name, "-s", "5")
    cluster.worker()
    wait_for_arrivals(server, 40)
    late = cluster.worker()
    ended = master.end()
    assert ended.code == 0, ended.output
    assert len(server.arrivals()) == len(instants) == ended.totals().offered
    assert "refused" not in late.output
    shared = re.findall(r"workers connected|\b2 workers\b", ended.output)
    assert shared


def wait_until_served(locust: LocustProcess, port: int) -> None:
    locust.wait_for("Starting web interface")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
            return
        time.sleep(0.1)
    raise AssertionError(f"no page:\n{locust.output}")


def test_the_end_of_a_profile_or_of_a_replay_stops_the_run_and_the_page_stays(
    tmp_path: Path, server: SlowServer
) -> None:
    port = free_port()
    web = ("--web-host", "127.0.0.1", "--web-port", str(port))
    locust = LocustProcess(tmp_path, PROFILE, *web, "-H", server.url, "--rate-profile", "10@1s")
    try:
        page = requests.Session()
        page.trust_env = False
        form = {"user_count": "2", "spawn_rate": "50"}
        url = f"http://127.0.0.1:{port}"
        wait_until_served(locust, port)
        for number, text in enumerate(("30@1s", "20@2s", "@/etc/hostname"), start=1):
            reply = page.post(f"{url}/swarm", data={**form, "rate_profile": text}, timeout=60).json()
            if text.startswith("@"):
                assert "files are read when Locust starts, from the command line only" in reply["message"]
                continue
            assert reply["success"], reply
            locust.wait_for(rf"(Run \S+ finished[\s\S]*){{{number}}}")
        assert page.get(url, timeout=10).ok
        locust.interrupt()
        ended = locust.end()
    finally:
        if locust.process.poll() is None:
            locust.kill()
    assert [run.options["rate_profile"] for run in ended.runs()] in (["30@1s", "20@2s"], ["20@2s", "30@1s"])
