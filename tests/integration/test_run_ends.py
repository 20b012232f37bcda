"""However a run ends: nothing is lost, the sums agree, the exit code is right, nothing is left running."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.integration.bench import LOCUSTFILES, ROOT, Ended, LocustProcess, run_locust, slow_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.bench import SlowServer

POISSON = LOCUSTFILES / "poisson.py"
PROCESSES = pytest.mark.parametrize("processes", [(), ("--processes", "2")], ids=["local", "two workers"])
SHAPE = """
from locust import LoadTestShape, task
import swarm_ext.plugin
from swarm_ext.users import PoissonUser

class Visitor(PoissonUser):
    @task
    def visit(self):
        self.client.get(self.path)

class TwoSteps(LoadTestShape):
    def tick(self):
        return None if self.get_run_time() > 4 else ((2, 10) if self.get_run_time() < 2 else (6, 10))
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SlowServer]:
    with slow_server(tmp_path, 0.1) as running:
        yield running


def check_sums(ended: Ended) -> None:
    totals = ended.totals()
    assert totals.offered == totals.completed + totals.failed + totals.dropped + totals.abandoned
    assert ended.table_requests == totals.completed + totals.failed, ended.output
    assert sum(sample.offered for sample in ended.load()) == totals.offered
    assert ended.children_left == []
    assert "Traceback" not in ended.output


@PROCESSES
def test_iter_ends_the_run_by_itself_after_exactly_so_many_arrivals(
    tmp_path: Path, server: SlowServer, processes: tuple[str, ...]
) -> None:
    ended = run_locust(
        tmp_path, POISSON, "-H", server.url, "-u", "3", "-r", "50", "--lamb", "30", "--iter", "157",
        *processes,
    )  # fmt: skip
    assert ended.code == 0, ended.output
    check_sums(ended)
    assert ended.totals().offered == ended.totals().completed == len(server.arrivals()) == 157


@PROCESSES
def test_a_time_limit_counts_what_every_process_did(
    tmp_path: Path, server: SlowServer, processes: tuple[str, ...]
) -> None:
    ended = run_locust(
        tmp_path, POISSON, "-H", server.url, "-u", "4", "-r", "50", "--lamb", "25", "-t", "4", "-s", "3",
        *processes,
    )  # fmt: skip
    assert ended.code == 0, ended.output
    check_sums(ended)
    assert ended.totals().abandoned == 0
    assert ended.totals().completed == len(server.arrivals()) > 200


def test_what_is_cut_off_is_counted_as_abandoned(tmp_path: Path) -> None:
    with slow_server(tmp_path, 30) as server:
        ended = run_locust(
            tmp_path, POISSON, "-H", server.url, "-u", "1", "--lamb", "20", "-t", "2", "--seed", "1"
        )
    totals = ended.totals()
    assert totals.offered == totals.abandoned > 10
    check_sums(ended)


@PROCESSES
@pytest.mark.parametrize("signal_name", ["interrupt", "terminate"])
def test_a_signal_ends_the_run_and_loses_nothing(
    tmp_path: Path, server: SlowServer, processes: tuple[str, ...], signal_name: str
) -> None:
    locust = LocustProcess(
        tmp_path, POISSON, "--headless", "--only-summary", "-H", server.url, "-u", "4", "-r", "50", "--lamb", "25",
        "-s", "3", "--settle", "60", *processes,
    )  # fmt: skip
    locust.wait_for("All users spawned")
    locust.wait_for(r"offered \d+/s")
    getattr(locust, signal_name)()
    ended = locust.end()
    assert ended.code == 0, ended.output
    check_sums(ended)
    (run,) = ended.runs()
    assert run.exit_status == "interrupted"
    assert len(re.findall(r"Run \S+ interrupted", ended.output)) == 1


@PROCESSES
@pytest.mark.parametrize("signal_name", [None, "interrupt", "terminate"])
def test_a_load_shape_ends_as_any_other_run(
    tmp_path: Path, server: SlowServer, processes: tuple[str, ...], signal_name: str | None
) -> None:
    file = tmp_path / "shaped.py"
    file.write_text(SHAPE)
    settle = "1" if signal_name is None else "600"  # a signal cuts it short
    options = ("--lamb", "20", "-s", "3", "--settle", settle, *processes)
    locust = LocustProcess(tmp_path, file, "--headless", "--only-summary", "-H", server.url, *options)
    if signal_name is not None:
        locust.wait_for("updating to 6 users")
        getattr(locust, signal_name)()
    ended = locust.end()
    assert ended.code == 0, ended.output
    check_sums(ended)
    assert ended.totals().completed > 10


def test_users_that_a_shape_removes_stop_at_once_and_their_requests_end_by_themselves(tmp_path: Path) -> None:
    file = tmp_path / "down.py"
    file.write_text(
        SHAPE.replace("> 4", "> 8").replace("(2, 10)", "(6, 10)").replace("else (6, 10)", "else (1, 10)")
    )
    with slow_server(tmp_path, 3) as server:
        ended = run_locust(tmp_path, file, "-H", server.url, "--lamb", "10", "-s", "10", "--seed", "3")
    check_sums(ended)
    assert ended.totals().abandoned == ended.totals().failed == 0
    rates = [sample.asked_rate for sample in ended.load()]
    assert 60 in rates
    assert 10 in rates


def test_arrivals_over_the_bound_are_dropped_and_counted(tmp_path: Path) -> None:
    with slow_server(tmp_path, 2) as server:
        ended = run_locust(
            tmp_path,
            POISSON,
            "-H",
            server.url,
            "--lamb",
            "100",
            "--iter",
            "300",
            "--max-in-flight",
            "20",
            "--seed",
            "2",
        )
    totals = ended.totals()
    assert totals.offered == 300
    assert totals.dropped == 300 - len(server.arrivals()) > 150
    assert max(sample.in_flight for sample in ended.load()) <= 20
    check_sums(ended)


def test_a_run_that_offers_nothing_does_not_exit_with_zero(tmp_path: Path, server: SlowServer) -> None:
    ended = run_locust(tmp_path, POISSON, "-H", server.url, "--lamb", "0.001", "-t", "1", "--seed", "1")
    assert ended.code == 1, ended.output
    assert "offered no arrivals" in ended.output


@PROCESSES
def test_a_signal_shortens_the_drain_of_a_run_that_ends_by_itself(
    tmp_path: Path, processes: tuple[str, ...]
) -> None:
    with slow_server(tmp_path, 60) as server:
        locust = LocustProcess(
            tmp_path, POISSON, "--headless", "--only-summary", "-H", server.url, "--lamb", "20", "--iter", "5", *processes
        )  # fmt: skip
        locust.wait_for("All 5 arrivals of --iter were offered")
        locust.interrupt()
        ended = locust.end(25)
    assert ended.totals().abandoned == 5
    check_sums(ended)


def test_a_signal_while_the_embedded_swarm_starts_leaves_nothing_running(tmp_path: Path) -> None:
    locust = LocustProcess(
        tmp_path,
        POISSON,
        "--headless",
        "--swarm",
        "local",
        "--local-startup-seconds",
        "8",
        "--processes",
        "2",
    )
    locust.wait_for("Starting the embedded swarm")
    family = locust.descendants()
    locust.interrupt()
    ended = locust.end(25)
    assert ended.code != 0
    assert ended.children_left == []
    assert psutil.wait_procs(family, timeout=20)[1] == []


def test_a_master_that_is_killed_takes_its_workers_and_replicas_along(tmp_path: Path) -> None:
    locust = LocustProcess(
        tmp_path, POISSON, "--headless", "--swarm", "local", "--lamb", "2", "--processes", "2", "-u", "2"
    )
    locust.wait_for("All users spawned")
    family = locust.descendants()
    assert len(family) >= 5
    locust.process.kill()
    locust.process.wait(10)
    _, left = psutil.wait_procs(family, timeout=20)
    for process in left:
        process.kill()
    assert left == []


SLOW_TO_IMPORT = """
import time
until = time.perf_counter() + 1.9
while time.perf_counter() < until:
    pass
from locustfiles.poisson import PoissonVisitor
"""


def test_the_run_time_does_not_count_what_came_before_the_run(tmp_path: Path, server: SlowServer) -> None:
    (tmp_path / "slow.py").write_text(SLOW_TO_IMPORT)
    ended = run_locust(
        tmp_path, tmp_path / "slow.py", "-H", server.url, "--lamb", "50", "-t", "2",
        environment={"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    (load,) = [phase for phase in ended.runs()[0].phases if phase.name == "load"]
    assert load.end is not None
    assert (load.end - load.start).total_seconds() > 1
