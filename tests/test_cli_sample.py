"""`swarm-ext sample` as a person uses it, without a swarm: what it refuses, prints, stores, and exits with."""

from __future__ import annotations

import signal
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from swarm_ext.model import ContainerSample
from swarm_ext.store import open_store
from tests.cadvisor_server import CAdvisorServer, FakeContainer, FakeNode
from tests.integration.swarm_ext_process import EndedCommand, run_command, running_command

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NO_DOCKER = {"DOCKER_HOST": "unix:///nowhere/docker.sock"}


@pytest.fixture(scope="module")
def cadvisor() -> Iterator[str]:
    node = FakeNode([FakeContainer(id="c0ffee" * 10 + "0000")])
    with CAdvisorServer(node.respond) as server:
        yield server.url


def run(folder: Path, *words: str) -> EndedCommand:
    return run_command(folder, "sample", *words, environment=NO_DOCKER)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ("--swarm", "none"),
            "--swarm none knows no nodes: name their cAdvisors, as in --cadvisor http://node1:70",
        ),
        ((), "there is no such socket; start Docker, or set DOCKER_HOST to a manager of the swarm"),
        (("--cadvisor", "node1:70"), "a cAdvisor URL begins with http:// or https://"),
        (("--sample-interval", "0"), "'0' is not above 0: give seconds, above 0, such as 0.5"),
        (("--duration", "soon"), "'soon' is not a number"),
        (("--cadvisor", "http://localhost:1", "--out", "x.txt"), "give a name that ends in .csv or .json"),
        (("--cadvisor", "http://localhost:1", "--store", "nonsense"), "is not a store's URI"),
        (("--retain", "0"), "'0' is not above 0"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    ended = run(tmp_path, *words)
    assert ended.code == 2, ended.errors
    assert told in ended.errors.splitlines()[-1]
    assert "Traceback" not in ended.errors
    assert not list(tmp_path.iterdir())


def test_a_run_of_so_many_seconds_is_finished_and_told_of(tmp_path: Path, cadvisor: str) -> None:
    ended = run(tmp_path, "--cadvisor", cadvisor, "--duration", "2", "--run-tags", "who=me")
    assert ended.code == 0, ended.errors
    (line,) = ended.output.splitlines()
    assert line.startswith("Run ")
    assert line.endswith("of at most 1 container at once on 1 node; kept in sqlite:///swarm-ext.db")
    with closing(open_store(f"sqlite:///{tmp_path}/swarm-ext.db", must_exist=True)) as store:
        (stored,) = store.runs()
        count = store.counts(stored.id)[ContainerSample.__name__]
    assert stored.exit_status == "finished"
    assert stored.tags == {"who": "me"}
    assert stored.options["command"] == "sample"
    assert stored.options["swarm"] == "none"
    assert stored.versions.keys() == {"swarm-ext", "gevent", "python"}  # no Locust: it is not even imported
    assert f": {count} samples in" in line


def test_a_file_alone_makes_no_store(tmp_path: Path, cadvisor: str) -> None:
    ended = run(tmp_path, "--cadvisor", cadvisor, "--duration", "1.5", "--out", "samples.csv")
    assert ended.code == 0, ended.errors
    assert ended.output.strip().endswith("kept in samples.csv")
    assert {path.name for path in tmp_path.iterdir()} == {"samples.csv", "samples.nodes.csv"}


def test_no_sample_at_all_is_a_failure_that_says_where_to_look(tmp_path: Path) -> None:
    ended = run(tmp_path, "--cadvisor", "http://127.0.0.1:1", "--duration", "1.5")
    assert ended.code == 2
    assert "connection refused: nothing listens there" in ended.errors
    assert ended.errors.splitlines()[-1] == (
        "swarm-ext: no container gave a sample; `swarm-ext doctor` tells why"
    )
    assert "trouble: cAdvisor of 127.0.0.1:1" in ended.output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_by_ctrl_c_and_by_sigterm_alike(
    tmp_path: Path, cadvisor: str, number: signal.Signals
) -> None:
    words = ["--cadvisor", cadvisor, "--out", "samples.json", "--store", "sqlite:///runs.db"]
    with running_command(tmp_path, "sample", *words, environment=NO_DOCKER) as process:
        wait_for(tmp_path / "samples.json")
        assert process.end(number) == 0, process.output
    assert "Traceback" not in process.output
    with closing(open_store(f"sqlite:///{tmp_path}/runs.db", must_exist=True)) as store:
        assert store.run("latest").exit_status == "finished"


def wait_for(file: Path) -> None:
    deadline = time.monotonic() + 60
    while not (file.exists() and file.stat().st_size):
        assert time.monotonic() < deadline, f"{file} stays empty"
        time.sleep(0.05)
