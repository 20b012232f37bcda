"""Runs started and stopped from the page, one after the other, none counted in another."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
import requests

from tests.embedded_swarm import whose_command_has
from tests.integration.bench import LOCUSTFILES, LocustProcess, SlowServer, slow_server
from tests.integration.cluster import POISSON, wait_for_arrivals
from tests.integration.ports import free_port

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.web_ui.page import Page, StartPage


CENSUS = """
import collections, gc
import gevent
from gevent.threadpool import ThreadPool
from locust import events, task
import swarm_ext.plugin
from swarm_ext.users import PoissonUser

class Visitor(PoissonUser):
    @task
    def visit(self):
        self.client.get(self.path)

@events.init.add_listener
def add_route(web_ui, **kwargs):
    if web_ui is None:
        return

    @web_ui.app.route("/census")
    def census():
        gc.collect()
        things = gc.get_objects()
        # who answers this very request, and Locust's own timers, come and go
        alive = collections.Counter(
            getattr(thing._run, "__qualname__", repr(thing._run))
            for thing in things
            if isinstance(thing, gevent.Greenlet) and thing and "WSGIServer" not in repr(thing._run)
        )
        hub_pool = gevent.get_hub().threadpool
        alive["thread pools"] = sum(
            isinstance(thing, ThreadPool) and thing is not hub_pool and thing.size > 0 for thing in things
        )
        return dict(alive)
"""


PROCESSES = pytest.mark.parametrize(
    "processes", [(), ("--processes", "2", "--stop-timeout", "5")], ids=["local", "two workers"]
)


@PROCESSES
def test_three_runs_from_the_page_are_three_runs_in_the_store(
    start_page: StartPage, tmp_path: Path, processes: tuple[str, ...]
) -> None:
    file = tmp_path / "census.py"
    file.write_text(CENSUS)
    locust, page = start_page("--swarm", "local", "--lamb", "4", *processes, file=file)
    left: list[tuple[dict[str, int], int]] = []
    for _ in range(3):
        assert page.start_when_ready()["success"]
        page.wait_for_requests(8)
        page.stop()
        page.wait_for_state("stopped", "ready")
        locust.wait_for(rf"(Run \S+ finished[\s\S]*){{{len(left) + 1}}}")
        left.append(at_rest(locust, page))
    assert left[0] == left[1] == left[2], "greenlets, thread pools and processes after each run"
    assert left[0][0]["thread pools"] == 0
    locust.interrupt()
    ended = locust.end()
    assert ended.children_left == []
    runs = ended.runs()
    assert [run.exit_status for run in runs] == ["finished"] * 3
    for run in runs:
        assert run.totals is not None
        totals = run.totals
        assert 8 <= totals.offered == totals.completed + totals.failed + totals.dropped + totals.abandoned
        samples = [sample for sample in ended.load() if sample.run_id == run.id]
        assert sum(sample.offered for sample in samples) == totals.offered
    assert "Traceback" not in ended.output


def at_rest(locust: LocustProcess, page: Page) -> tuple[dict[str, int], int]:
    """Return what is alive, and how many processes there are, once neither has changed for a while: what ends has ended."""
    readings: list[tuple[dict[str, int], int]] = []
    deadline = time.monotonic() + 60
    while len(readings) < 5 or any(reading != readings[-1] for reading in readings[-5:]):
        assert time.monotonic() < deadline, readings[-5:]
        census = page.session.get(f"{page.url}/census", timeout=60).json()
        readings.append((census, len(locust.descendants())))
        time.sleep(0.2)
    return readings[-1]


@PROCESSES
def test_iter_ends_the_run_and_the_page_stays(
    start_page: StartPage, server: SlowServer, processes: tuple[str, ...]
) -> None:
    locust, page = start_page("-H", server.url, "--lamb", "40", *processes)
    assert page.start_when_ready(iter="60", run_time="120")["success"]
    locust.wait_for(r"Run \S+ finished")
    page.wait_for_state("stopped", "ready")
    assert len(server.arrivals()) == 60
    assert page.start_when_ready(iter="30")["success"]
    locust.wait_for(r"Run \S+ finished[\s\S]*Run \S+ finished")
    locust.interrupt()
    ended = locust.end()
    assert [run.totals.offered for run in ended.runs() if run.totals] == [60, 30]
    assert len(server.arrivals()) == 90


def test_the_end_of_a_profile_stops_the_run_and_the_page_stays(
    start_page: StartPage, server: SlowServer
) -> None:
    locust, page = start_page("-H", server.url, "--rate-profile", "10@1s", file=LOCUSTFILES / "profile.py")
    texts = ["30@1s", "20@2s"]
    for number, text in enumerate(texts, start=1):
        assert page.start(rate_profile=text)["success"]
        locust.wait_for(rf"(Run \S+ finished[\s\S]*){{{number}}}")
    reply = page.start(rate_profile="@/etc/hostname")
    assert "files are read when Locust starts, from the command line only" in str(reply["message"])
    assert page.session.get(page.url, timeout=10).ok
    locust.interrupt()
    assert [run.options["rate_profile"] for run in locust.end().runs()] == texts


def test_autoquit_ends_locust_after_a_run_that_began_by_itself_and_has_made_its_arrivals(
    tmp_path: Path, server: SlowServer
) -> None:
    page = ("--autostart", "--autoquit", "1", "--web-host", "127.0.0.1", "--web-port", str(free_port()))
    locust = LocustProcess(tmp_path, POISSON, *page, "-H", server.url, "--lamb", "50", "--iter", "20")
    ended = locust.end()
    assert ended.code == 0, ended.output
    assert ended.totals().offered == len(server.arrivals()) == 20


def test_a_request_of_one_run_is_not_counted_in_the_next(start_page: StartPage, tmp_path: Path) -> None:
    with slow_server(tmp_path, 8) as server:
        locust, page = start_page("-H", server.url, "--lamb", "20")
        assert page.start()["success"]
        wait_for_arrivals(server, 20)
        page.stop()
        assert page.start(lamb="0.000001")["success"]
        time.sleep(9)  # longer than any request of the first run would have taken
        page.stop()
        locust.wait_for(r"Run \S+ finished[\s\S]*Run \S+ finished")
        locust.interrupt()
        first, second = (run.totals for run in locust.end().runs())
    assert first is not None
    assert second is not None
    assert first.offered == first.abandoned >= 20
    assert second.offered == 0


def test_a_start_right_after_a_stop_waits_for_every_worker(start_page: StartPage, server: SlowServer) -> None:
    locust, page = start_page("-H", server.url, "--processes", "2", "--stop-timeout", "3")
    page._until(lambda: page.stats()["worker_count"] == 2)
    assert page.start()["success"]
    page.stop()  # while the run begins
    assert page.start()["success"]
    page.wait_for_state("running")
    page.stop()
    workers = whose_command_has(locust.descendants(), "locust")
    workers[-1].kill()
    reply = page.start()
    assert reply["success"] is False
    assert "1 of 2 workers are ready" in str(reply["message"])
    assert page.start()["success"], "who does not come back is waited for once"
    page.wait_for_state("running")
    page.stop()
    locust.wait_for(r"(Run \S+ finished[\s\S]*){3}")
    locust.interrupt()
    assert [run.workers for run in locust.end().runs()] == [2, 2, 1]


def test_stop_ends_a_start_that_waits_and_a_second_start_is_refused(start_page: StartPage) -> None:
    locust, page = start_page("--swarm", "local", "--local-startup-seconds", "4", "--initial-replicas", "1")
    replicas = len(locust.descendants())
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(page.start, initial_replicas="2")
        page._until(lambda: len(locust.descendants()) > replicas or first.done())
        other = requests.post(
            f"{page.url}/swarm", data={"user_count": "1", "spawn_rate": "1"}, timeout=60
        ).json()
        assert other["success"] is False
        assert "a run is being started" in other["message"]
        assert requests.post(f"{page.url}/stop", timeout=60).ok
        reply = first.result()
    assert reply["success"] is False
    assert "stopped meanwhile" in str(reply["message"])
    assert page.fields()["initial_replicas"] in (1, "1"), "what was not started is not taken over"
    assert page.start(initial_replicas="")["success"]
    page.wait_for_requests(1)
    locust.interrupt()
    assert len(locust.end().runs()) == 1


def test_only_the_users_of_a_running_run_can_change(start_page: StartPage, server: SlowServer) -> None:
    locust, page = start_page("-H", server.url, "--lamb", "5")
    assert page.start(lamb="7", iter="")["success"]
    page.wait_for_state("running")
    reply = page.start(user_count="3", lamb="20", iter="9")
    assert reply["success"] is False
    assert "--lamb 7 → 20, --iter (blank) → 9: only the users" in str(reply["message"])
    assert "only the users" in str(page.start(host="http://127.0.0.1:1")["message"])
    assert page.start(**page.form(), user_count="3")["success"], "a reloaded page shows the run as it is"
    page._until(lambda: page.stats()["user_count"] == 3)
    locust.interrupt()
    (run,) = locust.end().runs()
    assert run.options["lamb"] == 7.0
