"""Workers that do not fit are refused whenever they come, the others do without them, and the run says so."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.integration.bench import slow_server
from tests.integration.cluster import POISSON, Cluster

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.bench import Ended, LocustProcess, SlowServer

ARRIVALS_A_SECOND = ("-u", "4", "-r", "50", "--lamb", "10", "-s", "5")

WAITS_BEFORE_IT_SAYS_WHO_IT_IS = """
import gevent
from locust import events
from locust.runners import WorkerRunner

@events.init.add_listener
def fetch_what_the_users_need(runner, **_):
    if isinstance(runner, WorkerRunner):
        gevent.sleep(6)

"""

OLDER = """
import msgspec
import swarm_ext
swarm_ext.__version__ = "0.0.1"
from swarm_ext.distributed import wire

class Hello(msgspec.Struct):
    version: str
    machine: int
    users: list[str]

wire.hello = lambda environment: Hello(version="0.0.1", machine=7, users=["PoissonVisitor"])
"""
"""Makes of a worker one of another version, which introduces itself by other fields."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SlowServer]:
    with slow_server(tmp_path, 0.05) as running:
        yield running


def told(ended: Ended) -> str:
    (run,) = ended.runs()
    return " ".join(trouble.message for trouble in run.troubles)


def assert_refused(master: Ended, stranger: LocustProcess) -> None:
    assert stranger.end().code == 0, "Locust's own way to end a worker"
    assert master.output.count("Refused worker") == 1
    assert "give it its master's locustfile" in master.output
    assert "was refused" in told(master)
    assert "no word of swarm_ext" in told(master)
    assert "Traceback" not in master.output
    assert "was lost" not in master.output


def test_a_worker_without_the_plugin_is_refused_before_it_is_given_users(
    server: SlowServer, cluster: Cluster, stranger: Path
) -> None:
    master = cluster.master("-H", server.url, *ARRIVALS_A_SECOND, "--iter", "80", "--expect-workers", "2")
    cluster.worker()
    other = cluster.worker(stranger)
    ended = master.end()
    assert ended.code == 0, ended.output
    assert_refused(ended, other)
    assert ended.totals().offered == len(server.arrivals()) == 80
    assert {request.path for request in server.requests()} == {"/primecheck"}
    assert {sample.users for sample in ended.load() if sample.offered} <= {0, 4}


def test_a_worker_without_the_plugin_that_joins_late_is_refused_and_its_users_go_to_the_others(
    server: SlowServer, cluster: Cluster, stranger: Path
) -> None:
    # it has half of the users until it is known for what it is: some 10 s at 20/s, and the rest at 40/s
    master = cluster.master("-H", server.url, *ARRIVALS_A_SECOND, "--iter", "700")
    cluster.worker()
    master.wait_for("All users spawned")
    other = cluster.worker(stranger)
    ended = master.end()
    assert ended.code == 0, ended.output
    assert_refused(ended, other)
    assert "s into the run" in told(ended)
    assert ended.totals().offered == 700
    users = [sample.users for sample in ended.load() if sample.offered]
    assert min(users[:-1]) == 2
    assert users[-2] == 4, "the rate is back"


def test_a_worker_with_another_locustfile_that_joins_late_makes_none_of_the_arrivals(
    tmp_path: Path, server: SlowServer, cluster: Cluster
) -> None:
    changed = tmp_path / "changed.py"
    changed.write_text(POISSON.read_text().replace("self.path", "'/changed'"))
    master = cluster.master("-H", server.url, *ARRIVALS_A_SECOND, "--iter", "600")
    cluster.worker()
    master.wait_for("All users spawned")
    other = cluster.worker(changed).end()
    assert other.code == 1
    assert "locustfile differs from its master's" in other.output
    ended = master.end()
    assert ended.code == 0, ended.output
    assert "s into the run" in told(ended)
    assert "locustfile differs from its master's" in told(ended)
    assert ended.totals().offered == len(server.arrivals()) == 600
    assert {request.path for request in server.requests()} == {"/primecheck"}
    assert [sample.users for sample in ended.load() if sample.offered][-2] == 4, "the rate is back"


def test_a_run_that_is_over_before_its_workers_are_known_ends_with_its_summary(
    server: SlowServer, cluster: Cluster, stranger: Path
) -> None:
    master = cluster.master("-H", server.url, *ARRIVALS_A_SECOND, "-t", "3s", "--expect-workers", "2")
    cluster.worker()
    cluster.worker(stranger)
    ended = master.end()
    assert ended.code == 1, "nothing was offered"
    assert "is closed" not in ended.output
    assert "Traceback" not in ended.output
    assert re.search(r"^Run \S+ interrupted$", ended.output, re.MULTILINE)
    assert "ended while it waited for workers to say who they are" in ended.output
    (run,) = ended.runs()
    assert run.end is not None
    assert run.exit_status == "interrupted"
    assert "ended while it waited" in told(ended)
    assert ended.totals().offered == 0
    assert all(abs(ahead) < 60 for ahead in run.worker_clocks.values()), "they have one clock"


def test_another_version_whose_hello_has_other_fields_is_refused_with_both_named(
    server: SlowServer, cluster: Cluster
) -> None:
    master = cluster.master("-H", server.url, *ARRIVALS_A_SECOND, "--iter", "40", "--expect-workers", "1")
    older = cluster.worker_with("older", OLDER).end()
    assert older.code == 1
    assert "this worker has swarm-ext 0.0.1, its master" in older.output
    cluster.worker()
    ended = master.end()
    assert ended.code == 0, ended.output
    assert "this worker has swarm-ext 0.0.1, its master" in ended.output
    assert "Traceback" not in ended.output
    assert ended.totals().offered == len(server.arrivals()) == 40


def test_a_run_waits_for_a_worker_that_may_take_part_when_the_only_one_may_not(
    server: SlowServer, cluster: Cluster, stranger: Path
) -> None:
    master = cluster.master("-H", server.url, *ARRIVALS_A_SECOND, "--iter", "40", "--expect-workers", "1")
    cluster.worker(stranger)
    master.wait_for("Refused worker")
    cluster.worker()
    ended = master.end()
    assert ended.code == 0, ended.output
    assert ended.totals().offered == len(server.arrivals()) == 40


def test_a_worker_that_has_to_wait_before_it_can_say_who_it_is_takes_part(
    tmp_path: Path, server: SlowServer
) -> None:
    slow = tmp_path / "slow.py"
    slow.write_text(WAITS_BEFORE_IT_SAYS_WHO_IT_IS + POISSON.read_text())
    cluster = Cluster(tmp_path, slow)
    try:
        master = cluster.master("-H", server.url, *ARRIVALS_A_SECOND, "--iter", "40", "--expect-workers", "1")
        cluster.worker()
        ended = master.end()
    finally:
        cluster.end()
    assert ended.code == 0, ended.output
    assert ended.totals().offered == 40
    assert "refused" not in ended.output.lower()
    (run,) = ended.runs()
    assert run.troubles == ()


@pytest.mark.slow
def test_a_master_to_which_no_worker_comes_that_may_take_part_gives_up_in_a_minute(
    server: SlowServer, cluster: Cluster, stranger: Path
) -> None:
    master = cluster.master("-H", server.url, *ARRIVALS_A_SECOND, "--iter", "40", "--expect-workers", "1")
    cluster.worker(stranger)
    ended = master.end()
    assert ended.code == 2, ended.output
    assert "No run: no worker that may take part came within 60 s" in ended.output
    assert "Traceback" not in ended.output
    assert ended.runs() == []
    assert server.arrivals() == []
