"""A master and workers: observed once, counted exactly, and clear about who cannot take part."""

from __future__ import annotations

import re
import signal
import time
from typing import TYPE_CHECKING

import pytest

from swarm_ext.model import ContainerSample, ScalingDecision, ServiceSample
from tests.integration.bench import LocustProcess, run_locust, slow_server
from tests.integration.cluster import POISSON, Cluster, stand_still_until_lost, wait_for_arrivals

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.bench import SlowServer


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SlowServer]:
    with slow_server(tmp_path, 0.05) as running:
        yield running


def test_sampler_and_autoscaler_run_once_on_the_master(tmp_path: Path) -> None:
    ended = run_locust(
        tmp_path, POISSON, "--processes", "2", "--swarm", "local", "--initial-replicas", "2", "-u", "2", "-r", "9",
        "--lamb", "4", "-t", "8", "-s", "5", "--autoscale", "target-utilisation", "--autoscale-interval", "1",
        "--max-replicas", "2",
    )  # fmt: skip
    assert ended.code == 0, ended.output
    samples = [s for s in ended.read(ContainerSample) if isinstance(s, ContainerSample)]
    assert {sample.slot for sample in samples} == {1, 2}
    assert len({sample.key for sample in samples}) == len(samples)
    decisions = [d for d in ended.read(ScalingDecision) if isinstance(d, ScalingDecision)]
    assert [decision.id for decision in decisions] == sorted({decision.id for decision in decisions})
    seconds = (decisions[-1].timestamp - decisions[0].timestamp).total_seconds()
    assert 3 <= len(decisions) <= seconds + 2, "one each second, not one of each process"
    assert all(decision.reason for decision in decisions)
    assert ended.read(ServiceSample)
    requests = {replica for sample in ended.load() for replica in sample.replica_requests}
    assert requests == {sample.container_id[:12] for sample in samples}


def test_a_worker_with_another_locustfile_is_refused_with_the_reason(
    tmp_path: Path, server: SlowServer, cluster: Cluster
) -> None:
    master = cluster.master("-H", server.url, "--lamb", "20", "--iter", "40", "--expect-workers", "1")
    other = tmp_path / "other.py"
    other.write_text(POISSON.read_text() + "\n# changed\n")
    refused = cluster.worker(other).end()
    assert refused.code == 1
    assert "locustfile differs from its master's" in refused.output
    assert "Traceback" not in refused.output
    cluster.worker()
    ended = master.end()
    assert ended.code == 0, ended.output
    assert ended.totals().offered == 40


def test_a_worker_with_another_version_is_refused_with_both_named(
    server: SlowServer, cluster: Cluster
) -> None:
    master = cluster.master("-H", server.url, "--lamb", "20", "--iter", "40", "--expect-workers", "1")
    older = cluster.worker_with("older", "import swarm_ext\nswarm_ext.__version__ = '0.0.9'\n").end()
    assert older.code == 1
    assert "this worker has swarm-ext 0.0.9, its master" in older.output
    assert "install the same on both" in older.output
    assert "Traceback" not in older.output
    cluster.worker()
    ended = master.end()
    assert ended.code == 0, ended.output
    assert ended.totals().offered == 40


def test_a_worker_that_joins_during_the_run_takes_its_share(server: SlowServer, cluster: Cluster) -> None:
    # at 40 arrivals/s the run lasts for 15 s: time enough to join it, also on a slow machine
    options = ("-u", "4", "-r", "50", "--lamb", "10", "--iter", "600", "-s", "5")
    master = cluster.master("-H", server.url, *options)
    cluster.worker()
    master.wait_for("All users spawned")
    late = cluster.worker()
    ended = master.end()
    assert ended.code == 0, ended.output
    assert ended.totals().offered == len(server.arrivals()) == 600
    assert "refused" not in late.output
    assert "reported as ready. 2 workers connected" in ended.output


def test_after_a_worker_is_killed_the_others_make_up_for_it(server: SlowServer, cluster: Cluster) -> None:
    master = cluster.master(
        "-H",
        server.url,
        "-u",
        "4",
        "-r",
        "50",
        "--lamb",
        "10",
        "--iter",
        "500",
        "-s",
        "5",
        "--expect-workers",
        "2",
    )
    cluster.worker()
    lost = cluster.worker()
    master.wait_for("All users spawned")
    time.sleep(3)
    lost.kill()
    ended = master.end()
    totals = ended.totals()
    assert totals.offered == totals.completed + totals.failed + totals.dropped + totals.abandoned
    # what the lost worker made in its last unreported second is made again: uncertain, and said so
    assert totals.offered >= 500
    assert 500 <= len(server.arrivals()) <= 500 + 4 * 10 * 3
    assert re.search(
        r"WARNING +load: worker \S+ was lost \d+ s into the run: its arrivals of the last second",
        ended.output,
    )
    assert re.search(r"are uncertain \(at most \d+\): not counted, and made again", ended.output)
    rates = [sample.asked_rate for sample in ended.load() if sample.asked_rate]
    assert rates[-2] == 40, "the rate is back"


def test_a_worker_that_is_killed_just_before_the_end_is_named_as_lost(
    tmp_path: Path, server: SlowServer
) -> None:
    unwatched = tmp_path / "unwatched.py"
    unwatched.write_text(POISSON.read_text() + "\nimport swarm_ext.conductor as c\nc.TICK_SECONDS = 60\n")
    cluster = Cluster(tmp_path, unwatched)  # whose master first looks for workers when the load has ended
    try:
        options = ("-u", "4", "-r", "50", "--lamb", "10", "-t", "6", "--expect-workers", "2")
        master = cluster.master("-H", server.url, *options)
        cluster.worker()
        lost = cluster.worker()
        master.wait_for("All users spawned")
        wait_for_arrivals(server, 190)  # some 1.2 s before the end: Locust misses a worker after 3 s
        lost.kill()
        ended = master.end()
    finally:
        cluster.end()
    assert re.search(r"WARNING +load: worker \S+ was lost \d+ s into the run: its arrivals", ended.output)


@pytest.mark.parametrize("after_arrivals", [150, 540], ids=["amid the run", "near its end"])
def test_a_worker_that_stands_still_for_a_while_makes_no_arrival_too_many(
    server: SlowServer, cluster: Cluster, after_arrivals: int
) -> None:
    master = cluster.master(
        "-H", server.url, "-u", "4", "-r", "50", "--lamb", "25", "--iter", "800", "-s", "5", "--expect-workers", "2"
    )  # fmt: skip
    cluster.worker()
    paused = cluster.worker()
    master.wait_for("All users spawned")
    wait_for_arrivals(server, after_arrivals)
    stand_still_until_lost(paused, master)
    ended = master.end()
    assert ended.code == 0, ended.output
    assert len(server.arrivals()) == ended.totals().offered == 800
    assert sum(sample.offered for sample in ended.load()) == 800
    (run,) = ended.runs()
    (trouble,) = (line.message for line in run.troubles if "was lost" in line.message)
    assert re.search(r"was lost \d+ s into the run and came back \d+ s later", trouble)


def test_workers_with_wrong_clocks_are_counted_in_the_masters_seconds(
    server: SlowServer, cluster: Cluster
) -> None:
    master = cluster.master(
        "-H", server.url, "-u", "4", "-r", "50", "--lamb", "10", "--iter", "200", "-s", "5", "--expect-workers", "2"
    )  # fmt: skip
    cluster.worker_with_clock(5)
    cluster.worker_with_clock(-10)
    ended = master.end()
    assert ended.code == 0, ended.output
    samples, totals = ended.load(), ended.totals()
    assert sum(sample.offered for sample in samples) == totals.offered == 200
    assert sum(sample.completed for sample in samples) == totals.completed
    (run,) = ended.runs()
    assert run.end is not None
    assert run.start.replace(microsecond=0) <= samples[0].timestamp <= samples[-1].timestamp <= run.end
    steady = [sample.users for sample in samples if sample.offered][1:-1]
    assert steady.count(4) >= len(steady) - 1, (
        "both workers are in each second, but for one at which users were spawned"
    )
    assert sorted(run.worker_clocks.values()) == [pytest.approx(-10, abs=0.5), pytest.approx(5, abs=0.5)]
    assert re.search(r"clocks .*(5\.\d|4\.[5-9]) s ahead", ended.output)
    assert re.search(r"clocks .*(10\.\d|9\.[5-9]) s behind", ended.output)
    assert re.search(r"is (5\.\d|4\.[5-9]) s ahead of ours", ended.output)
    assert re.search(r"is (10\.\d|9\.[5-9]) s behind ours", ended.output)


def test_a_worker_whose_master_is_gone_stops_when_its_lease_is_spent(
    server: SlowServer, cluster: Cluster
) -> None:
    options = ("-u", "4", "-r", "50", "--lamb", "10", "--iter", "100000", "--expect-workers", "1")
    master = cluster.master("-H", server.url, *options)
    worker = cluster.worker()
    wait_for_arrivals(server, 100)
    master.process.send_signal(signal.SIGKILL)
    master.process.wait(10)
    made = len(server.arrivals())
    # a lease is half a second's arrivals, and the next one is asked for at half: 30 at 40/s, and what chance adds
    settled = quiet(server)
    assert settled - made <= 80
    assert worker.process.poll() is None, "it waits for its master, as Locust has it, for a minute"


def quiet(server: SlowServer) -> int:
    """Wait until no arrival has come for some seconds; return how many there were."""
    deadline = time.monotonic() + 60
    count, since = len(server.arrivals()), time.monotonic()
    while time.monotonic() < deadline and time.monotonic() - since < 4:
        time.sleep(0.1)
        if len(server.arrivals()) != count:
            count, since = len(server.arrivals()), time.monotonic()
    assert time.monotonic() - since >= 4, "load is still offered"
    return count


@pytest.mark.slow
def test_a_worker_without_a_limit_whose_master_is_gone_stops_when_locust_gives_it_up(
    server: SlowServer, cluster: Cluster
) -> None:
    master = cluster.master("-H", server.url, "-u", "2", "-r", "50", "--lamb", "5", "--expect-workers", "1")
    worker = cluster.worker()
    wait_for_arrivals(server, 20)
    master.process.send_signal(signal.SIGKILL)
    master.process.wait(10)
    ended = worker.end(120)
    assert "Didn't get heartbeat from master" in ended.output
    assert ended.children_left == []
    count = len(server.arrivals())
    time.sleep(1)
    assert len(server.arrivals()) == count


def test_a_worker_whose_master_does_not_know_the_plugin_says_so(tmp_path: Path, cluster: Cluster) -> None:
    plain = tmp_path / "plain.py"
    plain.write_text(
        "from locust import HttpUser, task\nclass Plain(HttpUser):\n    @task\n    def t(self): pass\n"
    )
    master = LocustProcess(tmp_path, plain, "--headless", "--master", "--master-bind-port", cluster.port, "-H", "http://127.0.0.1:9",
                           "--expect-workers", "2")  # fmt: skip
    try:
        cluster.worker().wait_for(
            "does the master's locustfile import swarm_ext.plugin|does its locustfile import"
        )
    finally:
        master.kill()
