"""From an engine in no swarm to a stack and back: the swarm is made, the one node may run everything, all of it goes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.integration.bed.images import PYTHON
from tests.integration.lone_engine import PATIENCE_SECONDS, Operator, lone_engine, operator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

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


def test_at_a_terminal_the_password_and_the_removal_are_asked_for(at: Operator, tmp_path: Path) -> None:
    service = {
        "image": PYTHON,
        "command": ["sleep", "1000"],
        "stop_grace_period": "1s",
        "secrets": ["mongo_password"],
    }
    file = tmp_path / "one.yml"
    secrets = {"mongo_password": {"external": True}}
    file.write_text(json.dumps({"version": "3.8", "services": {"only": service}, "secrets": secrets}))
    at.engine.docker("swarm", "init", "--advertise-addr", at.engine.host.address)
    if "mongo_password" in at.engine.docker("secret", "ls", "--format", "{{.Name}}").split():
        at.engine.docker("secret", "rm", "mongo_password")
    said = typed_at_a_terminal(at, "one):", "what I typed", "stack", "deploy", "-c", str(file))
    assert "Made the secret mongo_password from your answer." in said
    assert "what I typed" not in said
    container = at.engine.docker("ps", "-q", "-f", "name=swarm-ext_only").strip()
    assert at.engine.docker("exec", container, "cat", "/run/secrets/mongo_password") == "what I typed"
    said = typed_at_a_terminal(at, "[y/N]:", "n", "stack", "leave")
    assert "Really remove stack swarm-ext with 1 service? [y/N]:" in said
    assert at.engine.docker("service", "ls", "-q").strip()
    at.types("stack", "leave", "--leave-swarm", "--yes")


def typed_at_a_terminal(at: Operator, question: str, answer: str, *words: str) -> str:
    """Run a command at a terminal, type the answer when it has asked, and return what the terminal showed."""
    command = at.engine.host.command(sys.executable, "-m", "swarm_ext.cli", *words)
    with subprocess.Popen(
        ["script", "--quiet", "--command", " ".join(command), "/dev/null"],
        env={**os.environ, **at.environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        shown = b""
        while not shown.rstrip().endswith(question.encode()):
            byte = process.stdout.read(1)
            assert byte, shown
            shown += byte
        process.stdin.write(f"{answer}\n".encode())
        process.stdin.flush()
        rest, _ = process.communicate(timeout=PATIENCE_SECONDS)
    return (shown + rest).decode()
