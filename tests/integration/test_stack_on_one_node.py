"""From an engine in no swarm to a stack and back: the swarm is made, the one node may run everything, all of it goes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.integration.lone_engine import Operator, lone_engine, operator

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow
NO_SWARM = (
    "swarm-ext: this Docker engine is in no swarm: `swarm-ext stack deploy --init-swarm` makes it the manager of one, or "
    "set DOCKER_HOST to a manager\n"
)


@pytest.fixture(scope="module")
def at() -> Iterator[Operator]:
    with lone_engine() as engine:
        yield operator(engine)


def test_without_a_swarm_the_remedy_is_told(at: Operator) -> None:
    for words in (("deploy",), ("display",), ("leave", "--yes")):
        assert at.types("stack", *words, code=2).err == NO_SWARM


def test_one_command_makes_the_swarm_and_runs_the_stack_and_one_takes_both_away(at: Operator) -> None:
    address = at.engine.host.address
    out = at.types("stack", "deploy", "--init-swarm", "--advertise-addr", address, "--mongo-volume", "kept")
    lines = out.out.splitlines()
    assert lines[0] == "This engine is now the manager of a new swarm."
    assert lines[1].startswith("To add a worker, run there: docker swarm join --token SWMTKN-1-")
    assert lines[1].endswith(f" {address}:2377")
    assert lines[2] == "Made the secret mongo_password with a random password."
    assert lines[3] == (
        "No node is a worker: the web service may run on managers (WEB_CONSTRAINT='node.role == manager')."
    )
    assert "cadvisor 1/1, mongo 1/1, visualizer 1/1, web 2/2" in lines
    read = lines[-1].removeprefix("MongoDB's password, where it runs: ")
    password = at.engine.host.run("env", f"DOCKER_HOST={at.engine.docker_host}", "sh", "-c", read)
    assert len(password) == 32
    assert password not in out.out
    seen = json.loads(at.types("stack", "display", "--json").out)
    assert [(node["role"], node["address"]) for node in seen["nodes"]] == [("manager", address)]
    assert all("3306" not in one["url"] for one in seen["addresses"])

    again = at.types("stack", "deploy", "--init-swarm", "--mongo-volume", "kept").out.splitlines()
    assert again[0] == "This engine is the manager of a swarm already."

    out = at.types("stack", "leave", "--leave-swarm", "--yes")
    assert out.out.splitlines()[-1] == "This engine left its swarm."
    assert at.engine.docker("volume", "ls", "-q").split() == ["kept"]
    assert at.types("stack", "display", code=2).err == NO_SWARM


def test_an_address_that_is_not_this_machines_is_told(at: Operator) -> None:
    said = at.types("stack", "deploy", "--init-swarm", "--advertise-addr", "nonsense", code=2).err
    assert said.startswith("swarm-ext: no swarm could be made: ")
