"""The web UI: runs started and stopped from the page, one after the other, none counted in another."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
import requests

from tests.embedded_swarm import whose_command_has
from tests.integration.bench import LOCUSTFILES, LocustProcess, slow_server
from tests.integration.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

from tests.integration.bench import SlowServer

POISSON = LOCUSTFILES / "poisson.py"
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
LOGIN = """
from flask import redirect
from flask_login import UserMixin, login_user
from locust import events, task
import swarm_ext.plugin
from swarm_ext.users import PoissonUser

class Visitor(PoissonUser):
    @task
    def visit(self):
        self.client.get(self.path)

class Person(UserMixin):
    id = "person"

@events.init.add_listener
def add_login(web_ui, **kwargs):
    web_ui.app.config["SECRET_KEY"] = "of this test"
    web_ui.login_manager.user_loader(lambda id: Person())

    @web_ui.app.route("/enter", methods=["POST"])
    def enter():
        login_user(Person())
        return redirect("/")
"""
TWO_CLASSES = """
from locust import constant, task
import swarm_ext.plugin
from swarm_ext.users import PoissonUser

class Good(PoissonUser):
    @task
    def visit(self):
        self.client.get(self.path)

class Waiting(Good):
    wait_time = constant(1)
"""
PROCESSES = pytest.mark.parametrize(
    "processes", [(), ("--processes", "2", "--stop-timeout", "5")], ids=["local", "two workers"]
)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SlowServer]:
    with slow_server(tmp_path, 0.1) as running:
        yield running


class Page:
    """The page's own requests, as its buttons make them."""

    def __init__(self, locust: LocustProcess) -> None:
        self._locust = locust
        port = locust.wait_for(r"Starting web interface at http://127\.0\.0\.1:(\d+)")[1]
        self.url = f"http://127.0.0.1:{port}"
        self.session = requests.Session()
        self.session.trust_env = False
        self._until(lambda: self.session.get(self.url, timeout=10).ok)

    def _until(self, condition: object) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                if condition():  # type: ignore[operator]
                    return
            except requests.ConnectionError:
                pass
            time.sleep(0.1)
        raise AssertionError(f"it did not happen:\n{self._locust.output}")

    def fields(self) -> dict[str, object]:
        """Return what the form's custom parameters show after a reload."""
        html = self.session.get(self.url, timeout=10).text
        found = re.search(r"window\.templateArgs = (\{.*\})", html)
        assert found is not None, html
        extra = json.loads(found[1])["extra_options"]
        return {name: field["default_value"] for name, field in extra.items()}

    def form(self) -> dict[str, str]:
        """Return the custom parameters as the page's own script sends them, untouched."""
        return {
            name: "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
            for name, value in self.fields().items()
        }

    def start(self, **fields: object) -> dict[str, object]:
        form = {"user_count": "2", "spawn_rate": "50", **fields}
        reply: dict[str, object] = self.session.post(f"{self.url}/swarm", data=form, timeout=60).json()
        return reply

    def start_when_ready(self, **fields: str) -> dict[str, object]:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            reply = self.start(**fields)
            if reply["success"] or "workers are ready" not in str(reply["message"]):
                return reply
            time.sleep(0.3)
        raise AssertionError(f"workers never became ready:\n{self._locust.output}")

    def stop(self) -> None:
        assert self.session.post(f"{self.url}/stop", timeout=60).ok

    def stats(self) -> dict[str, object]:
        reply: dict[str, object] = self.session.get(f"{self.url}/stats/requests", timeout=10).json()
        return reply

    def requests_done(self) -> int:
        totals = [row for row in self.stats()["stats"] if row["name"] == "Aggregated"]  # type: ignore[attr-defined]
        return int(totals[0]["num_requests"])

    def wait_for_requests(self, number: int) -> None:
        """Wait until the run that was just started has made so many; until it runs, the page shows the last one's."""
        self.wait_for_state("running")
        self._until(lambda: self.requests_done() >= number)

    def wait_for_state(self, *states: str) -> None:
        self._until(lambda: self.stats()["state"] in states)


@pytest.fixture
def start_page(tmp_path: Path) -> Iterator[object]:
    running: list[LocustProcess] = []

    def start(*options: str, file: Path = POISSON) -> tuple[LocustProcess, Page]:
        web = ("--web-host", "127.0.0.1", "--web-port", str(free_port()))
        locust = LocustProcess(tmp_path, file, *web, *options)
        running.append(locust)
        return locust, Page(locust)

    yield start
    for locust in running:
        if locust.process.poll() is None:
            locust.kill()


@PROCESSES
def test_three_runs_from_the_page_are_three_runs_in_the_store(  # type: ignore[no-untyped-def]
    start_page, tmp_path: Path, processes: tuple[str, ...]
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
        census = page.session.get(f"{page.url}/census", timeout=10).json()
        left.append((census, len(psutil.Process(locust.process.pid).children(recursive=True))))
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


@PROCESSES
def test_iter_ends_the_run_and_the_page_stays(
    start_page, server: SlowServer, processes: tuple[str, ...]
) -> None:  # type: ignore[no-untyped-def]
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


def test_a_request_of_one_run_is_not_counted_in_the_next(start_page, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    with slow_server(tmp_path, 3) as server:
        locust, page = start_page("-H", server.url, "--lamb", "20")
        assert page.start()["success"]
        deadline = time.monotonic() + 30
        while len(server.arrivals()) < 20 and time.monotonic() < deadline:
            time.sleep(0.05)
        page.stop()
        assert page.start(lamb="0.001")["success"]
        time.sleep(4)  # longer than any request of the first run would have taken
        page.stop()
        locust.wait_for(r"Run \S+ finished[\s\S]*Run \S+ finished")
        locust.interrupt()
        first, second = (run.totals for run in locust.end().runs())
    assert first is not None
    assert second is not None
    assert first.offered == first.abandoned >= 20
    assert second.offered == 0


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("lamb", "0", "'0' is not above 0"),
        ("lamb", "abc", "'abc' is not a number"),
        ("lamb", "nan", "'nan' is not a finite number"),
        ("iter", "0", "'0' is below 1"),
        ("max_in_flight", "12.5", "'12.5' is not a whole number"),
        ("sigma", "3", "--sigma 3 is above --mu"),
        ("autoscale", "target-utilisation", "has no swarm"),
        ("autoscale", "bogus", "is not known"),
        ("sample_interval", "0", "'0' is not above 0"),
        ("host", "nowhere", "is not a URL"),
    ],
)
def test_bad_input_in_the_form_is_answered_with_words(start_page, field: str, value: str, words: str) -> None:  # type: ignore[no-untyped-def]
    locust, page = start_page("-H", "http://127.0.0.1:9")
    reply = page.start(**{field: value})
    assert reply["success"] is False
    assert words in str(reply["message"])
    assert page.stats()["state"] == "ready"
    locust.interrupt()
    assert locust.end().runs() == []


def test_a_blank_host_means_the_embedded_swarm_and_another_is_refused(start_page) -> None:  # type: ignore[no-untyped-def]
    locust, page = start_page("--swarm", "local", "--lamb", "5")
    assert "embedded swarm is the host" in str(page.start(host="http://127.0.0.1:1")["message"])
    assert page.start(host="")["success"]
    page.wait_for_requests(3)
    page.stop()
    locust.wait_for(r"Run \S+ finished")
    locust.interrupt()
    (run,) = locust.end().runs()
    assert run.totals is not None
    assert run.totals.failed == 0
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", run.host or "")


def test_what_the_command_line_gave_is_shown_as_text_and_starts_untouched(
    start_page, server: SlowServer
) -> None:  # type: ignore[no-untyped-def]
    locust, page = start_page("-H", server.url, "--slo", "500ms:95%", "--run-tags", "a=b", "--closed")
    fields = page.fields()
    assert fields["slo"] == "500ms:95%"
    assert fields["run_tags"] == "a=b"
    assert fields["closed"] is True
    assert page.start(**page.form())["success"]
    page.wait_for_requests(1)
    page.stop()
    locust.interrupt()
    (run,) = locust.end().runs()
    assert run.tags == {"a": "b"}
    assert run.options["closed"] is True


def test_a_cleared_field_is_the_default_and_no_error(start_page, server: SlowServer) -> None:  # type: ignore[no-untyped-def]
    locust, page = start_page(
        "-H", server.url, "--lamb", "40", "--iter", "5", "--seed", "7", "--sigma", "0.01"
    )
    form = page.form()
    assert form["iter"] == "5"
    assert page.start(**dict.fromkeys(form, ""))["success"]
    page.wait_for_requests(12)
    page.stop()
    assert page.form()["iter"] == ""
    assert page.start(lamb="1e1", max_in_flight="7")["success"]
    page.wait_for_requests(3)
    page.stop()
    locust.wait_for(r"Run \S+ finished[\s\S]*Run \S+ finished")
    locust.interrupt()
    first, second = (run.options for run in locust.end().runs())
    assert not {"iter", "seed", "sigma"} & set(first)
    assert (first["lamb"], first["max_in_flight"], first["path"]) == (10.0, 1000, "/primecheck")
    assert (second["lamb"], second["max_in_flight"]) == (10.0, 7)


def test_what_is_not_on_the_page_cannot_be_changed_by_its_form(start_page, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    locust, page = start_page("-H", "http://127.0.0.1:9")
    reply = page.start(report=str(tmp_path / "r.html"))
    assert reply["success"] is False
    assert "--report is not the page's to change" in str(reply["message"])
    locust.interrupt()
    assert locust.end().runs() == []


def test_a_stranger_is_sent_to_the_login_and_nothing_happens(
    start_page, tmp_path: Path, server: SlowServer
) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "login.py"
    file.write_text(LOGIN)
    locust, page = start_page("-H", server.url, "--web-login", file=file)
    for fields in ({}, {"lamb": "abc"}, {"lamb": "3"}):
        form = {"user_count": "1", "spawn_rate": "1", **fields}
        reply = page.session.post(f"{page.url}/swarm", data=form, timeout=10, allow_redirects=False)
        assert reply.status_code == 302
        assert "/login" in reply.headers["Location"]
    assert page.session.post(f"{page.url}/enter", timeout=10).ok
    assert page.fields()["lamb"] == 10.0
    assert page.stats()["state"] == "ready"
    assert "is not a number" in str(page.start(lamb="abc")["message"])
    assert page.start()["success"]
    page.wait_for_state("running")
    stranger = requests.post(f"{page.url}/stop", timeout=10, allow_redirects=False)
    assert stranger.status_code == 302
    assert page.stats()["state"] == "running"
    locust.interrupt()
    assert len(locust.end().runs()) == 1


def test_the_users_that_this_form_picks_are_checked(start_page, tmp_path: Path, server: SlowServer) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "two.py"
    file.write_text(TWO_CLASSES)
    locust, page = start_page("-H", server.url, "--class-picker", file=file)
    assert "Waiting has a wait_time" in str(page.start()["message"]), "none picked is all"
    assert page.start(user_classes="Good")["success"]
    page.wait_for_requests(1)
    page.stop()
    assert "Waiting has a wait_time" in str(page.start(user_classes=["Good", "Waiting"])["message"])
    assert "Nobody is not in the locustfile" in str(page.start(user_classes="Nobody")["message"])
    locust.wait_for(r"Run \S+ finished")
    locust.interrupt()
    assert len(locust.end().runs()) == 1


def test_a_start_right_after_a_stop_waits_for_every_worker(start_page, server: SlowServer) -> None:  # type: ignore[no-untyped-def]
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


def test_stop_ends_a_start_that_waits_and_a_second_start_is_refused(start_page) -> None:  # type: ignore[no-untyped-def]
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


def test_only_the_users_of_a_running_run_can_change(start_page, server: SlowServer) -> None:  # type: ignore[no-untyped-def]
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


@pytest.mark.browser
def test_the_form_shows_our_options_refuses_with_words_and_starts(start_page, server: SlowServer) -> None:  # type: ignore[no-untyped-def]
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        reason = "no Chromium on the PATH: apt-get install chromium"
        if os.environ.get("SWARM_EXT_REQUIRE_ALL"):
            pytest.fail(reason)
        pytest.skip(reason)
    locust, page = start_page("-H", server.url, "--slo", "500ms:95%")
    script = Path(__file__).with_name("start_form_visit.py")
    done = subprocess.run(
        [sys.executable, str(script), chromium, page.url],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    fields = seen["fields"]
    assert fields["closed"] == {"kind": "checkbox", "value": False}
    assert fields["autoscale"] == {
        "kind": "select",
        "value": "off",
        "choices": ["off", "target-utilisation", "target-rate", "threshold"],
    }
    assert fields["lamb"] == {"kind": "text", "value": "10"}
    assert fields["slo"] == {"kind": "text", "value": "500ms:95%"}
    assert fields["iter"] == {"kind": "text", "value": ""}
    assert not {"report", "store", "swarm"} & set(fields)
    assert "--lamb: 'abc' is not a number" in seen["refused"]
    page.wait_for_requests(1)
    locust.interrupt()
    (run,) = locust.end().runs()
    assert run.options["lamb"] == 5.0
    assert run.options["keep_alive"] is True
