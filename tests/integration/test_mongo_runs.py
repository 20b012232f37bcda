"""Runs whose database is not there, or not all the time: real Locust processes, a real server of MongoDB's protocol."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from swarm_ext.model import LoadSample
from swarm_ext.store import open_store
from tests.integration.bed.mongo_server import MongoServer, skip_without_go
from tests.integration.bench import LOCUSTFILES, LocustProcess, SlowServer, run_locust, slow_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlowServer]:
    with slow_server(tmp_path_factory.mktemp("server"), 0.0) as it:
        yield it


@pytest.fixture
def mongo(tmp_path: Path) -> Iterator[MongoServer]:
    skip_without_go()
    with MongoServer(tmp_path / "mongo", start=False) as it:
        yield it


POISSON = LOCUSTFILES / "poisson.py"


def test_a_run_whose_database_is_down_goes_on_and_is_shipped_later(
    mongo: MongoServer, server: SlowServer, tmp_path: Path
) -> None:
    ended = run_locust(
        tmp_path, POISSON, "-H", server.url, "--lamb", "50", "--iter", "150", "--store", mongo.uri()
    )
    assert ended.code == 0, ended.output
    warnings = [line for line in ended.output.splitlines() if "/WARNING/" in line and "mongodb://" in line]
    assert len(warnings) <= 2, ended.output  # that it is down, and at the end that something waits
    assert "runs ship" in ended.output
    mongo.start()
    shipped = subprocess.run(
        [sys.executable, "-m", "swarm_ext.cli", "runs", "ship", "--store", mongo.uri()],
        capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert shipped.returncode == 0, shipped.stderr
    store = open_store(mongo.uri(), must_exist=True)
    try:
        (run,) = store.runs()
        load = list(store.read(run.id, LoadSample))
    finally:
        store.close()
    assert run.exit_status == "finished"
    assert sum(sample.offered for sample in load) == 150


def test_a_required_store_that_is_down_is_refused_before_any_load(
    mongo: MongoServer, server: SlowServer, tmp_path: Path
) -> None:
    before = len(server.arrivals())
    ended = run_locust(
        tmp_path, POISSON, "-H", server.url, "--iter", "5", "--store", mongo.uri(), "--store-required"
    )
    assert ended.code == 2
    assert ended.last_line.startswith("locust: error:")
    assert str(mongo.port) in ended.last_line
    assert len(server.arrivals()) == before


def test_a_password_is_nowhere_to_be_seen(mongo: MongoServer, server: SlowServer, tmp_path: Path) -> None:
    secret = "kept-to-ourselves"  # noqa: S105 - of nobody
    uri = mongo.uri().replace("mongodb://", f"mongodb://somebody:{secret}@")
    locust = LocustProcess(
        tmp_path, POISSON, "--headless", "--only-summary", "-H", server.url, "--lamb", "50", "--iter", "50",
        "--store", uri,
    )  # fmt: skip
    ended = locust.end()
    assert ended.code == 0, ended.output
    assert secret not in ended.output
    for file in tmp_path.rglob("*"):
        if file.is_file():
            assert secret.encode() not in file.read_bytes(), file
    assert re.search(r"somebody:\*\*\*@", ended.output)
