"""The start form: what it shows, what it refuses, and what it hands over."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.integration.bench import SlowServer
    from tests.integration.web_ui.page import StartPage


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
def test_bad_input_in_the_form_is_answered_with_words(
    start_page: StartPage, field: str, value: str, words: str
) -> None:
    locust, page = start_page("-H", "http://127.0.0.1:9")
    reply = page.start(**{field: value})
    assert reply["success"] is False
    assert words in str(reply["message"])
    assert page.stats()["state"] == "ready"
    locust.interrupt()
    assert locust.end().runs() == []


def test_a_blank_host_means_the_embedded_swarm_and_another_is_refused(start_page: StartPage) -> None:
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
    start_page: StartPage, server: SlowServer
) -> None:
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


def test_a_cleared_field_is_the_default_and_no_error(start_page: StartPage, server: SlowServer) -> None:
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


def test_what_is_not_on_the_page_cannot_be_changed_by_its_form(start_page: StartPage, tmp_path: Path) -> None:
    locust, page = start_page("-H", "http://127.0.0.1:9")
    reply = page.start(report=str(tmp_path / "r.html"))
    assert reply["success"] is False
    assert "--report is not the page's to change" in str(reply["message"])
    locust.interrupt()
    assert locust.end().runs() == []


def test_the_users_that_this_form_picks_are_checked(
    start_page: StartPage, tmp_path: Path, server: SlowServer
) -> None:
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


@pytest.mark.browser
def test_the_form_shows_our_options_refuses_with_words_and_starts(
    start_page: StartPage, server: SlowServer
) -> None:
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
