"""A run of the page's that waits for workers to say who they are can be stopped, and does not hold up the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.cluster import POISSON

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.bench import LocustProcess, SlowServer
    from tests.integration.cluster import Cluster
    from tests.integration.web_ui.page import Page, StartPage

SHAPE = """

class Steady(__import__("locust").LoadTestShape):
    def tick(self):
        return 2, 50
"""

WAITED = "ended while it waited for workers to say who they are"


@pytest.fixture
def start_master(
    start_page: StartPage, cluster: Cluster, server: SlowServer, stranger: Path
) -> Callable[..., tuple[LocustProcess, Page]]:
    """Start a master with a page, and a stranger for its only worker, which it knows to be connected."""

    def start(*options: str, file: Path = POISSON) -> tuple[LocustProcess, Page]:
        bind = ("--master", "--master-bind-host", "127.0.0.1", "--master-bind-port", cluster.port)
        locust, page = start_page("-H", server.url, "--lamb", "20", *bind, *options, file=file)
        cluster.worker(stranger)
        locust.wait_for("1 workers connected")
        return locust, page

    return start


def assert_that_the_next_run_has_its_load(
    locust: LocustProcess, page: Page, cluster: Cluster, server: SlowServer
) -> None:
    locust.wait_for("Refused worker")
    cluster.worker()
    locust.wait_for(r"Refused worker[\s\S]*1 workers connected")
    assert page.start_when_ready(run_time="")["success"]
    page.wait_for_requests(5)
    page.stop()
    locust.wait_for(r"Run \S+ finished")
    locust.interrupt()
    ended = locust.end()
    assert "Traceback" not in ended.output
    first, second = ended.runs()
    assert first.exit_status == "interrupted"
    assert first.totals is not None
    assert first.totals.offered == 0
    assert any(WAITED in trouble.message for trouble in first.troubles)
    assert second.exit_status == "finished"
    assert second.workers == 1
    assert second.totals is not None
    assert second.totals.offered >= 5
    assert {request.path for request in server.requests()} == {"/primecheck"}, "none of the stranger's"


def test_stop_ends_a_run_that_waits_for_workers_and_the_next_one_starts(
    start_master: Callable[..., tuple[LocustProcess, Page]], cluster: Cluster, server: SlowServer
) -> None:
    locust, page = start_master()
    assert page.start()["success"]
    assert "a run is being started" in str(page.start()["message"])
    page.stop()
    assert WAITED in locust.output
    assert_that_the_next_run_has_its_load(locust, page, cluster, server)


def test_stop_ends_a_run_with_a_load_shape_that_waits_for_workers(
    start_master: Callable[..., tuple[LocustProcess, Page]],
    cluster: Cluster,
    server: SlowServer,
    tmp_path: Path,
) -> None:
    shaped = tmp_path / "shaped.py"
    shaped.write_text(POISSON.read_text() + SHAPE)
    locust, page = start_master(file=shaped)
    assert page.start()["success"]
    page.stop()
    assert WAITED in locust.output
    locust.wait_for(r"Run \S+ interrupted")
    page.wait_for_state("stopping", "stopped", "ready")
    locust.interrupt()
    ended = locust.end()
    assert "Traceback" not in ended.output
    (run,) = ended.runs()
    assert run.totals is not None
    assert run.totals.offered == 0


def test_the_forms_run_time_ends_a_run_that_waits_for_workers(
    start_master: Callable[..., tuple[LocustProcess, Page]], cluster: Cluster, server: SlowServer
) -> None:
    locust, page = start_master()
    assert page.start(run_time="2")["success"]
    locust.wait_for(WAITED)
    locust.wait_for(r"Run \S+ interrupted")
    assert_that_the_next_run_has_its_load(locust, page, cluster, server)


def test_the_run_time_of_a_run_that_began_by_itself_ends_its_wait_for_workers(
    start_master: Callable[..., tuple[LocustProcess, Page]], cluster: Cluster, server: SlowServer
) -> None:
    locust, page = start_master("--autostart", "-u", "2", "--expect-workers", "1", "-t", "2")
    locust.wait_for(WAITED)
    locust.wait_for(r"Run \S+ interrupted")
    assert_that_the_next_run_has_its_load(locust, page, cluster, server)


def test_a_run_that_began_by_itself_and_waits_for_workers_lets_no_other_start_and_can_be_stopped(
    start_master: Callable[..., tuple[LocustProcess, Page]], cluster: Cluster, server: SlowServer
) -> None:
    locust, page = start_master("--autostart", "-u", "2", "--expect-workers", "1")
    locust.wait_for("Sending spawn jobs")
    assert "a run is being started" in str(page.start()["message"])
    page.stop()
    assert WAITED in locust.output
    assert_that_the_next_run_has_its_load(locust, page, cluster, server)
