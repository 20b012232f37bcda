"""`swarm-ext app` and `cadvisor` on a real engine that is in no swarm, with the image that our Dockerfile makes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.bed.images import WEB
from tests.integration.bed.swarm import until
from tests.integration.lone_engine import Operator, lone_engine, operator

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow
APP, CADVISOR = "swarm-ext-app", "swarm-ext-cadvisor"
FORWARDER = Path(__file__).with_name("forwarder.py")
LONG = 999_999_999_999_989
"""A prime whose test costs about a second of CPU."""


@pytest.fixture(scope="module")
def machine() -> Iterator[Operator]:
    with lone_engine() as engine:
        yield operator(engine)


@pytest.fixture
def at(machine: Operator) -> Iterator[Operator]:
    """The machine, without a container before and after."""
    yield machine
    left = machine.engine.docker("ps", "-aq").split()
    if left:
        machine.engine.docker("rm", "-f", *left)


def inspected(at: Operator, name: str) -> dict[str, object]:
    found: list[dict[str, object]] = json.loads(at.engine.docker("inspect", name))
    return found[0]


def asked(at: Operator, url: str) -> str:
    return at.engine.host.run("busybox", "wget", "-q", "-O", "-", url)


def test_the_application_runs_until_it_is_stopped(at: Operator) -> None:
    said = at.types("app", "run")
    assert said.out == f"{APP} answers at http://127.0.0.1/primecheck\n"
    assert json.loads(asked(at, "http://127.0.0.1/primecheck/97"))["prime"] is True
    assert at.types("app", "stop").out == f"{APP} is removed.\n"
    assert not at.engine.docker("ps", "-aq").strip()


def test_the_application_has_the_limits_port_and_arguments_that_were_asked_for(at: Operator) -> None:
    limits = ("--cpus", "0.5", "--memory", "64M", "--publish", "0.0.0.0:8010")
    said = at.types("app", "run", *limits, "--", "--host", "0.0.0.0", "--port", "8080", "--number", "97")
    assert said.out == f"{APP} answers at http://127.0.0.1:8010/primecheck\n"
    assert json.loads(asked(at, f"http://{at.engine.host.address}:8010/primecheck"))["number"] == 97
    host = inspected(at, APP)["HostConfig"]
    assert isinstance(host, dict)
    assert (host["NanoCpus"], host["Memory"]) == (500_000_000, 64 * 2**20)


def test_the_printed_command_line_does_the_same(at: Operator) -> None:
    printed = at.types("app", "run", "--cpus", "0.5", "--memory", "64M", "--print-docker").out.split()
    assert not at.engine.docker("ps", "-aq").strip()
    at.engine.docker(*printed[1:])
    by_hand = inspected(at, APP)
    until(lambda: "listening" in at.engine.docker("logs", APP), "it has begun")
    at.types("app", "stop")
    at.types("app", "run", "--cpus", "0.5", "--memory", "64M")
    by_us = inspected(at, APP)
    for part, names in (
        ("Config", ("Image", "Cmd", "Labels", "User", "Entrypoint")),
        ("HostConfig", ("NanoCpus", "Memory", "PortBindings", "Binds", "Privileged")),
    ):
        assert {name: by_us[part][name] for name in names} == {name: by_hand[part][name] for name in names}  # type: ignore[index]


def test_the_image_runs_as_nobody_and_finds_itself_healthy(at: Operator) -> None:
    at.types("app", "run")
    assert at.engine.docker("exec", APP, "id", "-u").strip() == "65534"
    at.engine.docker("exec", APP, "sh", "-c", "! touch /app/file 2>/dev/null")
    until(
        lambda: at.engine.docker("inspect", "-f", "{{.State.Health.Status}}", APP).strip() == "healthy",
        "the image's own health check passes",
    )
    size = int(at.engine.docker("image", "inspect", "-f", "{{.Size}}", WEB))
    base = int(at.engine.docker("image", "inspect", "-f", "{{.Size}}", "swarm-ext-bed/python:local"))
    assert size - base < 5 * 2**20


def test_a_request_that_was_accepted_is_answered_before_the_application_ends(at: Operator) -> None:
    at.types("app", "run", "--cpus", "0.3")
    url = f"http://127.0.0.1/primecheck/{LONG}"
    with subprocess.Popen(
        at.engine.host.command("busybox", "wget", "-q", "-O", "-", url), stdout=subprocess.PIPE, text=True
    ) as client:
        # the machine's own end of a connection to the container's port 8080: to look inside takes of its CPU
        until(
            lambda: re.search(r":1F90 01 ", at.engine.host.run("cat", "/proc/net/tcp")),
            "the request has arrived",
        )
        at.types("app", "stop")
        answer, _ = client.communicate(timeout=60)
    assert json.loads(answer)["prime"] is True


def test_a_second_one_of_the_same_name_is_refused(at: Operator) -> None:
    at.types("app", "run")
    assert at.types("app", "run", code=2).err == (
        f"swarm-ext: {APP} is there already: remove it by `swarm-ext app stop`, or give another --name\n"
    )
    at.types("app", "run", "--name", "second", "--publish", "8001")


def test_a_port_that_is_taken_is_told_and_nothing_is_left(at: Operator) -> None:
    at.types("app", "run")
    said = at.types("app", "run", "--name", "second", code=2).err
    assert said.startswith(
        "swarm-ext: second cannot be started: 127.0.0.1:80 cannot be had; choose another port or address, or stop what "
        "listens there (the engine says: "
    )
    assert at.engine.docker("ps", "-a", "--format", "{{.Names}}").split() == [APP]


def test_an_image_that_is_nowhere_is_told(at: Operator) -> None:
    said = at.types("app", "run", "--image", "swarm-ext-bed/nothing:1", code=2)
    assert said.out == "Pulling swarm-ext-bed/nothing:1\n"
    assert said.err.startswith(
        "swarm-ext: the engine has no image swarm-ext-bed/nothing:1, and cannot pull it ("
    )
    assert not at.engine.docker("ps", "-aq").strip()


def test_an_application_that_ends_at_once_is_told_with_its_last_words(at: Operator) -> None:
    assert at.types("app", "run", "--", "--nonsense", code=2).err == (
        f"swarm-ext: {APP} ended with exit code 2 while it was waited for http://127.0.0.1/primecheck to answer: primecheck: unrecognized "
        f"arguments: --nonsense; see `docker logs {APP}`\n"
    )


def test_an_application_that_does_not_answer_is_told(at: Operator) -> None:
    said = at.types("app", "run", "--path", "/nothing", "--timeout", "5", code=2).err
    assert said == (
        f"swarm-ext: {APP} runs, but it was waited for http://127.0.0.1/nothing to answer in vain; see `docker logs {APP}`, or give a "
        "longer --timeout\n"
    )


@pytest.mark.parametrize(
    "words", [("app", "run", "--path", "/nothing"), ("cadvisor", "start", "--timeout", "600")]
)
def test_ctrl_c_while_it_is_waited_for_leaves_nothing(at: Operator, words: tuple[str, ...]) -> None:
    command = at.engine.host.command(sys.executable, "-m", "swarm_ext.cli", *words)
    with subprocess.Popen(
        command, env={**os.environ, **at.environment}, stderr=subprocess.PIPE, text=True
    ) as waiting:
        until(lambda: at.engine.docker("ps", "-q").strip(), "the container runs")
        waiting.send_signal(signal.SIGINT)
        _, said = waiting.communicate(timeout=60)
    assert waiting.returncode == 1
    assert said.split() == ["Aborted!"]
    assert not at.engine.docker("ps", "-aq").strip()


def test_a_container_that_is_somebody_elses_is_left_alone(at: Operator) -> None:
    at.engine.docker("run", "-d", "--name", APP, WEB)
    told = f"swarm-ext: there is a container {APP} that swarm-ext did not make: remove it, or give another name by --name\n"
    assert at.types("app", "stop", code=2).err == told
    assert at.types("app", "run", code=2).err == told
    assert at.types("app", "stop", "--name", "other", code=2).err == (
        "swarm-ext: there is no container other: `docker ps` lists what runs\n"
    )


def test_cadvisor_measures_every_container_of_the_engine(at: Operator) -> None:
    at.types("app", "run", "--publish", "8000")
    said = at.types("cadvisor", "start")
    assert said.out == f"{CADVISOR} measures; use it with --cadvisor http://127.0.0.1:70\n"
    measured = json.loads(asked(at, "http://127.0.0.1:70/api/v1.3/docker/"))
    names = {alias for container in measured.values() for alias in container["aliases"]}
    assert {APP, CADVISOR} <= names
    assert not at.engine.docker("volume", "ls", "-q").strip()
    again = at.types("cadvisor", "start").out.splitlines()
    assert again == [f"{CADVISOR} runs already.", said.out.strip()]
    assert at.types("cadvisor", "start", "--port", "71", code=2).err == (
        f"swarm-ext: {CADVISOR} runs already, on 127.0.0.1:70 and not on 127.0.0.1:71: stop it first, by "
        "`swarm-ext cadvisor stop`, or give another --name\n"
    )
    at.engine.docker("kill", CADVISOR)
    assert at.types("cadvisor", "start", "--listen", "0.0.0.0").out == (
        f"{CADVISOR} measures; use it with --cadvisor http://127.0.0.1:70\n"
    )
    assert at.types("cadvisor", "stop").out == f"{CADVISOR} is removed.\n"
    assert at.types("cadvisor", "stop").out == f"There is no {CADVISOR}: nothing to do.\n"


def test_a_remote_engines_loopback_is_not_asked_from_here(at: Operator) -> None:
    """The engine is on another machine when it is reached by TCP: here through a forwarder on the bed's network."""
    port = 2375
    with subprocess.Popen(
        at.engine.host.command(
            sys.executable, str(FORWARDER), at.engine.host.address, str(port), str(at.engine.socket)
        )
    ) as forwarder:
        try:
            remote = f"tcp://{at.engine.host.address}:{port}"
            deadline = time.monotonic() + 30
            while forwarder.poll() is None and time.monotonic() < deadline:
                try:
                    asked(at, f"http://{at.engine.host.address}:{port}/_ping")
                    break
                except Exception:  # noqa: BLE001, S112 - it does not listen yet
                    continue
            said = at.types("app", "run", DOCKER_HOST=remote).out
            assert said == (
                f"{APP} is started. It listens on 127.0.0.1:80 of {at.engine.host.address} alone, where it cannot be asked "
                f"from here: ssh -L 80:127.0.0.1:80 {at.engine.host.address}\n"
            )
            at.types("app", "stop", DOCKER_HOST=remote)
            said = at.types("app", "run", "--publish", "0.0.0.0:8000", DOCKER_HOST=remote).out
            assert said == f"{APP} answers at http://{at.engine.host.address}:8000/primecheck\n"
        finally:
            forwarder.terminate()
