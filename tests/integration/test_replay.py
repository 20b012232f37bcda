"""Recorded arrivals, end to end: each once, at its instant, by however many, whatever becomes of a worker."""

from __future__ import annotations

import random
import re
import signal
from itertools import accumulate
from typing import TYPE_CHECKING

import pytest

from swarm_ext.asked import REPLAY_LEAD_SECONDS
from tests.integration.bench import LOCUSTFILES, assert_refused_before_any_load, run_locust
from tests.integration.cluster import stand_still_until_lost, wait_for_arrivals

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.bench import Ended, SlowServer
    from tests.integration.cluster import Cluster

REPLAY = LOCUSTFILES / "replay.py"
LATE_SECONDS = 0.5
"""How late most arrivals may be, on a machine that does other things as well."""


def recording(folder: Path, arrivals: int, rate: float) -> tuple[Path, list[float]]:
    """Write a file of recorded arrivals, not in order; return their instants, in order, counted from the first."""
    rng = random.Random(5)
    instants = list(accumulate(rng.expovariate(rate) for _ in range(arrivals)))
    rows = [f"{1.7e9 + instant:.6f},GET /{number}" for number, instant in enumerate(instants)]
    rng.shuffle(rows)
    file = folder / "arrivals.csv"
    file.write_text("\n".join(["timestamp,request", *rows]) + "\n")
    return file, [instant - instants[0] for instant in instants]


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
    run = ended.run()
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
    check = ended.run().arrival_check
    assert check is not None
    assert check.expected is not None
    assert 100 < check.observed < 400
    assert check.expected == pytest.approx(check.observed, abs=50)
    assert f"{check.observed} of {check.expected:.0f} recorded arrivals" in ended.output


@pytest.fixture
def locustfile() -> Path:
    return REPLAY


class SharedReplay:
    """A replay by two workers, of which `other` is to have a hard time: 40 arrivals/s in all, of which 150 have come."""

    def __init__(self, cluster: Cluster, server: SlowServer, arrivals: int) -> None:
        file, _ = recording(cluster.folder, arrivals, 40)
        options = ("--replay", file.name, "-s", "5", "--expect-workers", "2")
        self.master = cluster.master("-H", server.url, "-u", "4", "-r", "50", *options)
        cluster.worker()
        self.other = cluster.worker()
        wait_for_arrivals(server, 150)

    def end(self) -> Ended:
        ended = self.master.end()
        assert ended.code == 0, ended.output
        return ended


def test_what_a_worker_had_that_is_killed_during_a_replay_is_fired_by_the_others(
    server: SlowServer, cluster: Cluster
) -> None:
    replay = SharedReplay(cluster, server, 600)
    replay.other.process.send_signal(signal.SIGKILL)
    run = replay.end().run()
    (trouble,) = run.troubles
    uncertain = re.search(r"was lost \d+ s into the run: .* are uncertain \(about (\d+)\)", trouble.message)
    assert uncertain is not None, trouble
    assert 600 <= len(server.arrivals()) <= 600 + int(uncertain[1])
    assert run.arrival_check is not None
    assert (run.arrival_check.observed, run.arrival_check.expected) == (600, 600)


@pytest.mark.parametrize("arrivals", [900, 330], ids=["amid the replay", "at its end"])
def test_a_worker_that_stands_still_for_a_while_fires_nothing_that_others_fire(
    server: SlowServer, cluster: Cluster, arrivals: int
) -> None:
    replay = SharedReplay(cluster, server, arrivals)
    stand_still_until_lost(replay.other, replay.master)
    ended = replay.end()
    assert len(server.arrivals()) == ended.totals().offered == arrivals
    (trouble,) = (line.message for line in ended.run().troubles)
    assert re.search(r"was lost \d+ s into the run and came back \d+ s later", trouble)


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


@pytest.mark.parametrize(
    ("locustfile", "options", "words"),
    [
        (REPLAY, (), "ReplayVisitor: there is nothing to replay: give --replay arrivals.csv"),
        (REPLAY, ("--replay", "missing.csv"), "--replay 'missing.csv' cannot be read"),
        (REPLAY, ("--replay", "wrong.csv"), "--replay 'wrong.csv', line 2: 'x' is not a time in seconds"),
        (REPLAY, ("--replay", "wrong.csv", "--replay-speed", "0"), "'0' is not above 0"),
        (REPLAY, ("--replay", "wrong.csv", "--rate-profile", "1@5s"), "--rate-profile and --replay both say when"),
        (LOCUSTFILES / "poisson.py", ("--replay", "wrong.csv"), "only ReplayUser replays (locustfiles/replay.py)"),
    ],
)  # fmt: skip
def test_what_cannot_be_replayed_is_refused_in_one_line_before_any_load(
    tmp_path: Path, locustfile: Path, options: tuple[str, ...], words: str
) -> None:
    (tmp_path / "wrong.csv").write_text("1\nx\n")
    ended = run_locust(tmp_path, locustfile, "-H", "http://127.0.0.1:9", *options)
    assert_refused_before_any_load(ended, words)
