"""The web UI behind a log-in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import requests

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.bench import SlowServer
    from tests.integration.web_ui.page import StartPage


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


def test_a_stranger_is_sent_to_the_login_and_nothing_happens(
    start_page: StartPage, tmp_path: Path, server: SlowServer
) -> None:
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
