"""Runs of Locust that are stored in a real MongoDB-protocol server, which is killed, down, frozen, or refuses."""

from __future__ import annotations

import re
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from swarm_ext.model import ContainerSample, LoadSample, ServiceSample
from swarm_ext.store import open_store
from tests.integration.bench import LOCUSTFILES, LocustProcess, run_locust

if TYPE_CHECKING:
    from pathlib import Path

    from swarm_ext.model import Run
    from tests.integration.bed.mongo_server import MongoServer
    from tests.integration.bench import SlowServer

POISSON = LOCUSTFILES / "poisson.py"


def the_run(mongo: MongoServer) -> Run:
    with closing(open_store(mongo.uri(), must_exist=True)) as store:
        (run,) = store.runs()
        return run


def check_load_is_whole(mongo: MongoServer, offered: int) -> None:
    """Each second of the load is there once, and together they are what was offered."""
    with closing(open_store(mongo.uri(), must_exist=True)) as store:
        (run,) = store.runs()
        load = list(store.read(run.id, LoadSample))
    assert sum(sample.offered for sample in load) == offered
    seconds = [int(sample.timestamp.timestamp()) for sample in load]
    assert seconds == list(range(seconds[0], seconds[0] + len(seconds)))
    assert run.totals is not None
    assert run.totals.offered == offered
    assert run.exit_status == "finished"


def shipped(folder: Path, mongo: MongoServer, exit_code: int = 0) -> str:
    command = [sys.executable, "-m", "swarm_ext.cli", "runs", "ship", "--store", mongo.uri()]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == exit_code, done.stdout + done.stderr
    return done.stdout


def test_a_run_is_stored_sampled_and_reported_from_the_database(tmp_path: Path, mongo: MongoServer) -> None:
    mongo.start()
    ended = run_locust(
        tmp_path, POISSON, "--swarm", "local", "-u", "2", "-r", "9", "--lamb", "8", "--iter", "100",
        "--store", mongo.uri(), "--report", "report.html",
    )  # fmt: skip
    assert ended.code == 0, ended.output
    assert "/WARNING/swarm_ext.store" not in ended.output
    check_load_is_whole(mongo, 100)
    run = the_run(mongo)
    assert run.troubles == ()
    with closing(open_store(mongo.uri(), must_exist=True)) as store:
        assert {sample.slot for sample in store.read(run.id, ContainerSample)} == {1, 2}
        assert {sample.ready for sample in store.read(run.id, ServiceSample)} == {2}
    assert run.id in (tmp_path / "report.html").read_text()
    assert "Nothing in the spool" in shipped(tmp_path, mongo)
    assert not ended.store.exists()


def test_a_server_that_is_killed_during_the_run_has_every_record_once_at_the_end(
    tmp_path: Path, mongo: MongoServer, server: SlowServer
) -> None:
    mongo.start()
    locust = LocustProcess(
        tmp_path, POISSON, "--headless", "--only-summary", "-H", server.url, "--lamb", "25", "--iter", "400",
        "--store", mongo.uri(),
    )  # fmt: skip
    locust.wait_for("All users spawned")
    mongo.kill()
    locust.wait_for(r"what is to be stored waits in the spool")
    mongo.start()
    locust.wait_for(r"can be written again, after \d+ s")
    ended = locust.end()
    assert ended.code == 0, ended.output
    assert len(re.findall(r"WARNING/.*(waits in the spool|can be written again)", ended.output)) == 2
    check_load_is_whole(mongo, 400)
    assert any(trouble.source == "store" for trouble in the_run(mongo).troubles)
    assert len(server.arrivals()) == 400


def test_a_server_that_is_down_for_the_whole_run_is_told_of_once_and_gets_all_later(
    tmp_path: Path, mongo: MongoServer, server: SlowServer
) -> None:
    ended = run_locust(
        tmp_path, POISSON, "-H", server.url, "--lamb", "25", "--iter", "50", "--store", mongo.uri()
    )
    assert ended.code == 0, ended.output
    assert len(re.findall(r"WARNING/", ended.output)) == 1
    assert "50 = 50 completed" in ended.output
    (ship,) = re.findall(
        r"WARNING +store: records wait in the spool; ship it with: (.*) \(\d+×\)", ended.output
    )
    assert ship == f"swarm-ext runs ship --store {mongo.uri()}"
    assert "Connection refused" in shipped(tmp_path, mongo, exit_code=1)
    mongo.start()
    assert re.fullmatch(
        rf"\S+: \d+ records shipped; all of it is in {mongo.uri()}\n", shipped(tmp_path, mongo)
    )
    check_load_is_whole(mongo, 50)


def test_a_locust_that_is_killed_leaves_what_it_had_to_be_shipped(
    tmp_path: Path, mongo: MongoServer, server: SlowServer
) -> None:
    options = ("--headless", "--only-summary", "-H", server.url, "--lamb", "25", "--store", mongo.uri())
    locust = LocustProcess(tmp_path, POISSON, *options)
    locust.wait_for(r"4 s \| offered|5 s \| offered")
    locust.kill()
    mongo.start()
    assert "all of it is in" in shipped(tmp_path, mongo)
    with closing(open_store(mongo.uri(), must_exist=True)) as store:
        (run,) = store.runs()
        assert run.exit_status == "running"
        assert store.counts(run.id)["LoadSample"] >= 2


def test_a_server_that_hangs_at_the_end_is_left_behind(
    tmp_path: Path, mongo: MongoServer, server: SlowServer
) -> None:
    mongo.start()
    locust = LocustProcess(
        tmp_path, POISSON, "--headless", "--only-summary", "-H", server.url, "--lamb", "25", "--iter", "100",
        "--store", mongo.uri(),
    )  # fmt: skip
    locust.wait_for("All users spawned")
    mongo.freeze()
    ended = locust.end()
    assert ended.code == 0, ended.output
    assert "Traceback" not in ended.output
    assert "wait in the spool" in ended.output
    mongo.thaw()
    assert "all of it is in" in shipped(tmp_path, mongo)
    check_load_is_whole(mongo, 100)


def test_distributed_the_master_alone_stores(tmp_path: Path, mongo: MongoServer, server: SlowServer) -> None:
    mongo.start()
    ended = run_locust(
        tmp_path, POISSON, "--processes", "2", "-H", server.url, "-u", "2", "-r", "9", "--lamb", "20", "--iter", "120",
        "--store", mongo.uri(),
    )  # fmt: skip
    assert ended.code == 0, ended.output
    assert ended.children_left == []
    check_load_is_whole(mongo, 120)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--store-required",), "Connection refused; start it, or leave out --store-required"),
        (("--store", "mongodb://me:se/cret@db"), "is not a MongoDB URI"),
        (("--store", "mongodb://db:port/x"), "is not a MongoDB URI"),
        (("--spool", "nowhere/spool.db"), "there is no directory"),
        (("--spool-limit", "1MB"), "'1MB' is too small: give a size of at least 20MB"),
        (("--spool-limit", "much"), "'much' is not a size"),
    ],
)
def test_a_mistake_ends_in_one_line_before_any_load(
    tmp_path: Path, mongo: MongoServer, server: SlowServer, options: tuple[str, ...], words: str
) -> None:
    ended = run_locust(tmp_path, POISSON, "-H", server.url, "--store", mongo.uri(), *options)
    assert ended.code == 2, ended.output
    (error,) = [line for line in ended.output.splitlines() if "error:" in line]
    assert words in error
    assert "cret" not in ended.output
    assert server.arrivals() == []


def test_a_password_is_nowhere_to_be_found(tmp_path: Path, mongo: MongoServer, server: SlowServer) -> None:
    secret = "s3cr3t-t0k3n"  # noqa: S105  # what is looked for
    down = mongo.uri().replace("://", f"://me:{secret}@")
    ended = run_locust(tmp_path, POISSON, "-H", server.url, "--lamb", "25", "--iter", "25", "--store", down)
    assert ended.code == 0, ended.output
    (tmp_path / "password").write_text(f"{secret}\n")
    mongo.start()
    by_file = {"SWARM_EXT_MONGO_USERNAME": "me", "SWARM_EXT_MONGO_PASSWORD_FILE": "password"}
    refused = run_locust(
        tmp_path, POISSON, "-H", server.url, "--iter", "1", "--store", mongo.uri(), environment=by_file
    )
    assert refused.code == 2, refused.output
    assert "the server refuses the credentials" in refused.last_line
    (tmp_path / "password").unlink()
    for file in tmp_path.rglob("*"):
        assert file.is_dir() or secret.encode() not in file.read_bytes(), file
