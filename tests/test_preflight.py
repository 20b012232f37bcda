"""A locustfile that cannot make the load that is asked for is refused before any load, in one line."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

HEAD = """
from locust import TaskSet, User, constant, task
from swarm_ext.arrivals import Constant, Normal, Poisson
from swarm_ext.errors import UserError
from swarm_ext.preflight import arrival_record, check_host, check_users
from swarm_ext.settings import settings
from swarm_ext.users import ArrivalUser, ClosedUser, NormalUser, PoissonUser

class Visitor(PoissonUser):
    @task
    def visit(self): ...
"""


def said(body: str) -> str:
    """Run a piece of code in a process of its own: importing Locust changes the whole process."""
    script = (
        HEAD
        + "\ntry:\n"
        + textwrap.indent(textwrap.dedent(body), "    ")
        + "\nexcept UserError as e:\n    print(e)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("class Idle(PoissonUser): ...\ncheck_users([Idle], settings(None))", "Idle has no task"),
        (
            """
            class Steps(TaskSet): ...
            class Walker(PoissonUser):
                tasks = [Steps]
            check_users([Walker], settings(None))
            """,
            "TaskSet Steps as a task, which never ends",
        ),
        (
            """
            class Unmade(ArrivalUser):
                arrivals = Poisson
                tasks = [print]
            check_users([Unmade], settings(None))
            """,
            "Unmade: arrivals is <class 'swarm_ext.arrivals.Poisson'>: give an arrival process, such as Poisson(20)",
        ),
        (
            """
            from swarm_ext.users import ProfileUser
            class Steady(ProfileUser):
                rate_profile = 10
                tasks = [print]
            check_users([Steady], settings(None))
            """,
            'Steady: rate_profile is 10: give a text, such as "10@60s,10..50@2m"',
        ),
        (
            """
            class Hasty(Visitor):
                network_timeout = "5"
            check_users([Hasty], settings(None))
            """,
            "Hasty: network_timeout is '5': give seconds above 0, or None for no limit",
        ),
        (
            """
            class Waiter(Visitor):
                wait_time = constant(1)
            check_users([Waiter], settings(None))
            """,
            "Waiter has a wait_time",
        ),
        (
            """
            class Silent(ArrivalUser):
                @task
                def visit(self): ...
            check_users([Silent], settings(None))
            """,
            "does not say which arrivals",
        ),
        (
            """
            class Wrong(Visitor):
                lamb = -1
            check_users([Wrong], settings(None))
            """,
            "Wrong: ",
        ),
        ("check_host([Visitor], None)", "Visitor has no host"),
        ("check_host([Visitor], 'localhost:80')", "--host 'localhost:80' is not a URL"),
        ("check_host([Visitor], 'http://a..b')", "--host: the host 'a..b' is not a name"),
    ],
)
def test_what_cannot_make_arrivals_is_one_line(body: str, words: str) -> None:
    line = said(body)
    assert words in line
    assert "\n" not in line


def test_users_of_other_kinds_are_left_alone() -> None:
    assert said("class Other(User):\n    wait_time = constant(1)\ncheck_users([Other], settings(None))") == ""


def test_a_wait_time_is_allowed_in_the_closed_loop() -> None:
    body = """
    from argparse import Namespace
    class Waiter(Visitor):
        wait_time = constant(1)
    check_users([Waiter], settings(Namespace(closed=True)))
    """
    assert said(body) == ""


def test_a_setting_that_each_user_has_of_its_own_is_left_to_it() -> None:
    body = """
    from functools import cached_property
    class Named(Visitor):
        proxy_port = 3128
        @property
        def default_headers(self): return {"X-Visitor": "1"}
        @property
        def network_timeout(self): return 5
        @cached_property
        def max_retries(self): return 1
        @cached_property
        def proxy_host(self): return "proxy.test"
    check_users([Named], settings(None))
    """
    assert said(body) == ""


@pytest.mark.parametrize(
    ("classes", "kind", "rate"),
    [
        ("[Visitor]", "poisson", "10.0"),
        ("[type('C', (Visitor,), {'lamb': 4.0}), Visitor]", "mixed", "None"),
        ("[type('K', (ArrivalUser,), {'arrivals': Constant(5)})]", "constant", "5.0"),
        ("[type('N', (NormalUser,), {'mu': 0.5, 'sigma': 0.1})]", "normal", "2.0"),
        ("[type('Z', (ClosedUser,), {})]", "closed", "None"),
        ("[Visitor, type('Z', (ClosedUser,), {})]", "mixed", "None"),
    ],
)
def test_a_run_keeps_what_its_streams_were_asked_to_be(classes: str, kind: str, rate: str) -> None:
    assert (
        said(f"r, _ = arrival_record({classes}, settings(None)); print(r.kind, r.rate)") == f"{kind} {rate}"
    )


def test_users_of_a_closed_loop_beside_others_are_named() -> None:
    body = (
        "r, _ = arrival_record([Visitor, type('Z', (ClosedUser,), {})], settings(None)); print(r.description)"
    )
    assert said(body) == "Poisson(rate=10.0 /s) and closed loop, each user"


def test_the_schedule_of_every_user_class_is_in_a_runs_hash() -> None:
    body = """
    from argparse import Namespace
    from locust.env import Environment
    from swarm_ext.asked import Asked
    from swarm_ext.run_record import new_run

    class Slow(Visitor):
        lamb = 1.0
    class Slower(Visitor):
        lamb = 0.5

    def hashed(*user_classes):
        options = Namespace(seed=1, num_users=1, spawn_rate=1, run_time=None)
        environment = Environment(user_classes=list(user_classes), parsed_options=options)
        return new_run(environment, Asked(settings(options)), None, "").schedule_hash

    print(len({hashed(Visitor), hashed(Visitor, Slow), hashed(Visitor, Slower)}))
    print(hashed(Visitor, Slow) == hashed(Visitor, Slow), hashed(type("Z", (ClosedUser,), {"tasks": [print]})))
    """
    assert said(body).split() == ["3", "True", "None"]
