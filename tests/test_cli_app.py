"""The commands for one engine, as far as they need none."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from swarm_ext.cli import main

if TYPE_CHECKING:
    from pathlib import Path


def output(capsys: pytest.CaptureFixture[str], *arguments: str, exit_code: int = 0) -> str:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    captured = capsys.readouterr()
    assert exit_.value.code == exit_code, captured.err
    return captured.out if exit_code == 0 else captured.err


def test_the_docker_command_line_is_printed_without_any_engine(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere.sock")
    monkeypatch.delenv("WEB_IMAGE", raising=False)
    assert output(capsys, "app", "run", "--print-docker") == (
        "docker run --detach --name swarm-ext-app --label swarm-ext.role=app --publish 127.0.0.1:80:8080 "
        "nclcloudcomputing/javabenchmarkapp\n"
    )
    monkeypatch.setenv("WEB_IMAGE", "shop:2")
    monkeypatch.setenv("WEB_PORT", "3000")
    assert output(
        capsys, "app", "run", "--print-docker", "--publish", "0.0.0.0:8000", "--cpus", "0.5", "--memory", "256M",
        "--", "--number", "97",
    ) == (
        "docker run --detach --name swarm-ext-app --label swarm-ext.role=app --publish 0.0.0.0:8000:3000 --cpus 0.5 "
        "--memory 268435456 shop:2 --number 97\n"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--publish", "localhost:80", "must be PORT or ADDRESS:PORT"),
        ("--memory", "lots", "must be a whole number of bytes, or one with K, M or G"),
        ("--cpus", "0", "is not in the range"),
        ("--port", "70000", "is not in the range"),
        ("--timeout", "0", "is not in the range"),
    ],
)
def test_a_bad_value_is_refused_with_its_rule(
    capsys: pytest.CaptureFixture[str], option: str, value: str, words: str
) -> None:
    assert words in output(capsys, "app", "run", option, value, exit_code=2)


def test_an_address_to_listen_on_must_be_one(capsys: pytest.CaptureFixture[str]) -> None:
    said = output(capsys, "cadvisor", "start", "--listen", "here", exit_code=2)
    assert said == "swarm-ext: --listen 'here' must be an address of the engine's machine, as in 127.0.0.1\n"


COMMANDS = (
    ("app", "run"),
    ("app", "stop"),
    ("cadvisor", "start"),
    ("cadvisor", "stop"),
    ("stack", "deploy"),
    ("stack", "display"),
    ("stack", "leave", "--yes"),
)


def refused(docker_host: str, *command: str) -> str:
    """What the command says, as a process of its own: the SDK drops a socket that could not connect, with a warning."""
    done = subprocess.run(
        [sys.executable, "-m", "swarm_ext.cli", *command],
        env={**os.environ, "DOCKER_HOST": docker_host},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    return done.stderr


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_without_an_engine_every_command_says_so_in_one_line(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    assert refused(f"unix://{tmp_path}/docker.sock", *command) == (
        f"swarm-ext: the Docker engine at unix://{tmp_path}/docker.sock: there is no such socket; start Docker, or set "
        "DOCKER_HOST to a manager of the swarm\n"
    )


def test_an_engine_that_does_not_listen_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert "connection refused; is Docker running there" in refused(
        f"tcp://127.0.0.1:{port}", "stack", "display"
    )


@pytest.mark.parametrize("command", [(*words[:2], "--help") for words in COMMANDS], ids=" ".join)
def test_every_help_text_has_an_example(capsys: pytest.CaptureFixture[str], command: tuple[str, ...]) -> None:
    assert f"swarm-ext {command[0]} {command[1]}" in output(capsys, *command).split("Example", 1)[1]


def test_an_address_for_no_new_swarm_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    said = output(capsys, "stack", "deploy", "--advertise-addr", "10.0.0.1", exit_code=2)
    assert said == "swarm-ext: --advertise-addr is for a new swarm: give --init-swarm, too\n"
