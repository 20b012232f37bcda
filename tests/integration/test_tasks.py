"""Tasks as people write them: each arrival is one task execution, and ends as completed or failed, whatever it does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.integration.bench import LOCUSTFILES, run_locust

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.bench import Ended, SlowServer

HEAD = """
import gevent
from locust import constant, tag, task
from locust.exception import StopTest, StopUser
import swarm_ext.plugin
from swarm_ext.users import ClosedUser, PoissonUser

class Visitor(PoissonUser):
"""


def run_tasks(tmp_path: Path, server: SlowServer, tasks: str, *options: str, arrivals: int = 40) -> Ended:
    file = tmp_path / "tasks.py"
    file.write_text(HEAD + tasks)
    ended = run_locust(
        tmp_path, file, "-H", server.url, "--lamb", "40", "--iter", str(arrivals), "--seed", "1", *options
    )
    totals = ended.totals()
    assert totals.offered == totals.completed + totals.failed + totals.dropped + totals.abandoned == arrivals
    return ended


def test_an_arrival_whose_task_raises_has_failed_and_is_shown_among_the_exceptions(
    tmp_path: Path, server: SlowServer
) -> None:
    tasks = (
        "    @task\n    def t(self):\n        self.client.get('/')\n        raise ValueError('broken task')\n"
    )
    ended = run_tasks(tmp_path, server, tasks)
    assert ended.totals().failed == 40
    assert ended.code == 1
    assert "broken task" in ended.output


def test_a_task_that_times_out_by_gevent_has_failed_and_makes_room(
    tmp_path: Path, server: SlowServer
) -> None:
    tasks = "    @task\n    def t(self):\n        with gevent.Timeout(0.05):\n            gevent.sleep(60)\n"
    ended = run_tasks(tmp_path, server, tasks, "--max-in-flight", "30")
    assert ended.totals().failed == 40
    assert ended.totals().dropped == 0
    assert ended.code == 1


def test_one_failed_request_fails_the_arrival_and_catch_response_has_the_last_word(
    tmp_path: Path, server: SlowServer
) -> None:
    tasks = """
    @task
    def t(self):
        self.client.get("/first")
        with self.client.get("/second", catch_response=True) as response:
            response.failure("not what I wanted")
"""
    ended = run_tasks(tmp_path, server, tasks)
    assert ended.totals().failed == 40
    assert ended.table_requests == 80
    assert "not what I wanted" in ended.output


def test_on_start_is_no_arrival_and_what_it_sets_is_seen_by_every_task(
    tmp_path: Path, server: SlowServer
) -> None:
    tasks = """
    def on_start(self):
        self.client.get("/login", name="login")
        self.word = "token"

    @task
    def t(self):
        assert self.word == "token"
        self.word = "changed for this arrival only"
        self.client.get("/")
"""
    ended = run_tasks(tmp_path, server, tasks, "-u", "2", "-r", "9")
    assert ended.totals().completed == 40
    assert ended.table_requests == 42


def test_tags_and_weights_choose_among_tasks(tmp_path: Path, server: SlowServer) -> None:
    tasks = """
    @tag("wanted")
    @task(3)
    def often(self): self.client.get("/", name="often")

    @tag("wanted")
    @task(1)
    def seldom(self): self.client.get("/", name="seldom")

    @task(100)
    def never(self): self.client.get("/", name="never")
"""
    ended = run_tasks(tmp_path, server, tasks, "--tags", "wanted", arrivals=100)
    rows = {
        name: int(line.split()[2])
        for line in ended.output.splitlines()
        for name in ("often", "seldom", "never")
        if line.startswith(f"GET      {name} ") and "%" in line and "(" in line
    }
    assert set(rows) == {"often", "seldom"}
    assert sum(rows.values()) == 100
    assert 60 <= rows["often"] <= 90


def test_stop_test_ends_the_run_and_stop_user_one_stream(tmp_path: Path, server: SlowServer) -> None:
    file = tmp_path / "stop.py"
    file.write_text(
        HEAD
        + "    @task\n    def t(self):\n        self.client.get('/')\n        raise StopTest('seen enough')\n"
    )
    ended = run_locust(tmp_path, file, "-H", server.url, "--lamb", "20")
    assert "seen enough" in ended.output
    assert ended.totals().offered >= 1
    file.write_text(
        HEAD + "    @task\n    def t(self):\n        self.client.get('/')\n        raise StopUser()\n"
    )
    again = tmp_path / "again"
    again.mkdir()
    ended = run_locust(
        again, file, "-H", server.url, "--lamb", "5", "-u", "3", "-r", "9", "-t", "4", "-s", "2"
    )
    assert ended.code == 0, ended.output
    assert 3 <= ended.totals().completed < 15


def test_closed_loop_load_is_bounded_by_its_users_alone(tmp_path: Path, server: SlowServer) -> None:
    ended = run_locust(
        tmp_path, LOCUSTFILES / "closed.py", "-H", server.url, "-u", "20", "-r", "100", "--iter", "400",
        "--max-in-flight", "5",
    )  # fmt: skip
    assert ended.totals().completed == len(server.arrivals()) == 400
    assert ended.totals().dropped == 0


def test_a_closed_loop_with_a_wait_time_waits(tmp_path: Path, server: SlowServer) -> None:
    file = tmp_path / "patient.py"
    file.write_text(
        HEAD.replace("PoissonUser)", "ClosedUser)").rstrip()
        + """
    wait_time = constant(0.5)

    @task
    def t(self): self.client.get("/")
"""
    )
    ended = run_locust(tmp_path, file, "-H", server.url, "-t", "4", "-s", "2")
    assert ended.code == 0, ended.output
    assert 3 <= ended.totals().completed <= 12, "without a wait it would be 200"


def test_sessions_of_one_pool_share_one_tls_context(tmp_path: Path) -> None:
    import subprocess
    import sys

    script = (
        "from swarm_ext.client import sessions\n"
        "from swarm_ext.client.shape import session_settings\n"
        "from swarm_ext.users import PoissonUser\n"
        "shape = session_settings(PoissonUser)\n"
        "pool = sessions('https://127.0.0.1:1', keep_alive=False, settings=shape)\n"
        "made = [pool.acquire(None, None).client.clientpool.client_args['ssl_context_factory']() for _ in range(2)]\n"
        "assert made[0] is made[1]\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
