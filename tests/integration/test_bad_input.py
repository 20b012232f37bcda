"""Bad input: one clear line and a non-zero exit before any load, wherever it comes from."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest

from tests.integration.bench import LOCUSTFILES, run_locust

if TYPE_CHECKING:
    from pathlib import Path

POISSON = LOCUSTFILES / "poisson.py"
HOST = ("-H", "http://127.0.0.1:9")

OPTIONS = [
    (("--lamb", "0"), "'0' is not above 0"),
    (("--lamb", "-1"), "'-1' is not above 0"),
    (("--lamb", "nan"), "'nan' is not a finite number"),
    (("--lamb", "inf"), "'inf' is not a finite number"),
    (("--lamb", "abc"), "'abc' is not a number"),
    (("--sigma", "3", "--mu", "2"), "--sigma 3 is above --mu 2"),
    (("--iter", "0"), "'0' is below 1"),
    (("--iter", "1.5"), "'1.5' is not a whole number"),
    (("--max-in-flight", "0"), "'0' is below 1"),
    (("--sample-interval", "0"), "'0' is not above 0"),
    (("--seed", "-3"), "'-3' is below 0"),
    (("--path", "primecheck"), "begins with a slash"),
    (("--url", "ftp://x/"), "is not a URL"),
    (("--slo", "fast"), "is not an SLO"),
    (("--cadvisor", "nowhere"), "nowhere"),
    (("--swarm", "kubernetes"), "invalid choice"),
    (("--autoscale", "target-utilisation"), "has no swarm to scale"),
    (("--initial-replicas", "2"), "has no swarm"),
    (
        ("--swarm", "local", "--min-replicas", "3", "--max-replicas", "2"),
        "--max-replicas 2 is below --min-replicas 3",
    ),
    (("--swarm", "local", "--autoscale", "target-utilisation", "--target", "60"), "is above 1"),
    (("--swarm", "local", "--autoscale", "target-rate"), "needs --target"),
    (("--report", "nowhere/report.html"), "there is no folder"),
    (
        ("--swarm", "local", "--service", "shop"),
        "--service 'shop' is unknown: the embedded swarm's only service is 'web'",
    ),
]
"""Options, and words that the one line must have."""


def check_refused(ended_code: int, output: str, words: str) -> None:
    assert ended_code == 2, output
    errors = [line for line in output.splitlines() if "error:" in line]
    assert len(errors) == 1, output
    assert words in errors[0]
    assert "Traceback" not in output
    assert "Ramping" not in output


@pytest.mark.parametrize(("options", "words"), OPTIONS, ids=[" ".join(options) for options, _ in OPTIONS])
def test_an_option_that_cannot_be_is_one_line_and_exit_code_2(
    tmp_path: Path, options: tuple[str, ...], words: str
) -> None:
    host = () if "--url" in options or "local" in options else HOST
    ended = run_locust(tmp_path, POISSON, *host, *options)
    check_refused(ended.code, ended.output, words)


def test_the_same_line_comes_once_for_several_processes(tmp_path: Path) -> None:
    ended = run_locust(tmp_path, POISSON, *HOST, "--processes", "2", "--lamb", "0")
    check_refused(ended.code, ended.output, "'0' is not above 0")


def test_the_environment_and_a_configuration_file_obey_the_same_rules(tmp_path: Path) -> None:
    ended = run_locust(tmp_path, POISSON, *HOST, environment={"SWARM_EXT_LAMB": "-4"})
    check_refused(ended.code, ended.output, "'-4' is not above 0")
    (tmp_path / "locust.conf").write_text("lamb = nan\n")
    ended = run_locust(tmp_path, POISSON, *HOST)
    check_refused(ended.code, ended.output, "'nan' is not a finite number")


@pytest.mark.parametrize("processes", [(), ("--processes", "2")], ids=["local", "two workers"])
@pytest.mark.parametrize(
    ("store", "words"),
    [
        ("foo://x", "foo"),
        ("sqlite:///notes.txt", "notes.txt"),
        ("sqlite:////proc/nowhere/x.db", "/proc/nowhere"),
        ("sqlite:///.", "."),
        ("sqlite:///other.db", "other.db"),
    ],
)
def test_a_store_that_cannot_be_opened_is_refused_before_any_load(
    tmp_path: Path, store: str, words: str, processes: tuple[str, ...]
) -> None:
    (tmp_path / "notes.txt").write_text(
        "not a database, but somebody's notes, long enough to have a header\n" * 3
    )
    with sqlite3.connect(tmp_path / "other.db") as other:
        other.execute("create table orders (id)")
    other.close()
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}
    ended = run_locust(tmp_path, POISSON, *HOST, "--store", store, *processes)
    check_refused(ended.code, ended.output, words)
    assert ended.children_left == []
    assert {file: file.read_bytes() for file in before} == before


@pytest.mark.parametrize("processes", [(), ("--processes", "2")], ids=["local", "two workers"])
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "no host"),
        (("-H", "localhost:8000"), "is not a URL"),
        (("-H", "http://127.0.0.1:9", "--swarm", "local"), "contradict each other"),
        (("--tags", "nothing", *HOST), "has no task"),
    ],
    ids=["no host", "no scheme", "two hosts", "no task left"],
)
def test_what_can_make_no_load_is_refused_before_any(
    tmp_path: Path, options: tuple[str, ...], words: str, processes: tuple[str, ...]
) -> None:
    ended = run_locust(tmp_path, POISSON, *options, *processes)
    check_refused(ended.code, ended.output, words)
    assert ended.children_left == []


def test_a_locustfile_that_no_arrivals_can_run_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    head = (
        "import swarm_ext.plugin\nfrom locust import TaskSet, constant, task\nfrom swarm_ext.users import *\n"
    )
    file.write_text(
        head + "class Mine(PoissonUser):\n    wait_time = constant(1)\n    @task\n    def t(self): pass\n"
    )
    ended = run_locust(tmp_path, file, *HOST)
    check_refused(ended.code, ended.output, "wait_time")
    file.write_text(
        head + "class Steps(TaskSet):\n    @task\n    def t(self): pass\n"
        "class Mine(PoissonUser):\n    tasks = [Steps]\n"
    )
    ended = run_locust(tmp_path, file, *HOST)
    check_refused(ended.code, ended.output, "TaskSet Steps")


def test_a_user_class_without_the_plugin_says_which_line_is_missing(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "from locust import task\nfrom swarm_ext.users import PoissonUser\n"
        "class Mine(PoissonUser):\n    @task\n    def t(self): pass\n"
    )
    ended = run_locust(tmp_path, file, *HOST, "-t", "3")
    assert ended.code != 0
    assert "import swarm_ext.plugin" in ended.output
