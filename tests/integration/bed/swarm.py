"""The bed as a whole: three engines that are one swarm, and more hosts for whoever makes the load."""

from __future__ import annotations

import json
import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tests.integration.bed import images
from tests.integration.bed.engine import Engine
from tests.integration.bed.network import Network
from tests.integration.bed.shell import BedError, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.bed.network import Host

NODES = 3
FOLDERS = Path("/tmp")
_ROOT = Path(__file__).resolve().parents[3]
STACK_FILE = _ROOT / "stack.yml"
MONGO_PORT_FILE = _ROOT / "stack.mongo-port.yml"
OVERRIDE_FILE = Path(__file__).with_name("stack.override.yml")


class Bed:
    """A swarm of `node1` (its manager), `node2` and `node3`, on hosts that `hosts` names by these names.

    Every engine has the images of `images`. Use it as a context manager: at its end nothing is left.
    """

    def __init__(self) -> None:
        self.network = Network()
        self.folder = FOLDERS / self.network.bridge
        self.engines: list[Engine] = []

    @property
    def manager(self) -> Engine:
        """The engine to ask about the swarm."""
        return self.engines[0]

    def up(self) -> None:
        """Start the engines, give them the images, make them one swarm."""
        for index in range(1, NODES + 1):
            host = self.network.add(f"n{index}")
            self.engines.append(Engine(host, f"node{index}", self.folder / f"n{index}"))
        for engine in self.engines:
            engine.start()
        for engine in self.engines:
            engine.wait()
        with ThreadPoolExecutor(len(self.engines)) as pool:
            list(pool.map(images.load_images, self.engines))
        self.manager.docker("swarm", "init", "--advertise-addr", self.manager.host.address)
        for engine in self.engines[1:]:
            self.join(engine)

    def join(self, engine: Engine) -> None:
        """Make an engine a worker of the swarm."""
        token = self.manager.docker("swarm", "join-token", "-q", "worker").strip()
        engine.docker("swarm", "join", "--token", token, f"{self.manager.host.address}:2377")

    def load_host(self, name: str) -> Host:
        """Add a host without an engine, for a program that makes load."""
        return self.network.add(name)

    def environment(self, **more: str) -> dict[str, str]:
        """Return the environment of a program that is to talk to this swarm, with the images to deploy."""
        return {
            **os.environ,
            "DOCKER_HOST": self.manager.docker_host,
            **images.VARIABLES,
            **more,
        }

    def deploy(self, stack: str, *files: Path, **variables: str) -> None:
        """Deploy stack.yml with the bed's override and further files, by the `docker` client; does not wait."""
        compose = [word for file in (STACK_FILE, OVERRIDE_FILE, *files) for word in ("-c", str(file))]
        run("docker", "stack", "deploy", *compose, stack, env=self.environment(**variables), timeout=120)

    def converge(self, stack: str) -> None:
        """Wait until every service of a stack has as many running tasks as it should."""
        words = (
            "--filter",
            f"label=com.docker.stack.namespace={stack}",
            "--format",
            "{{.Name}} {{.Replicas}}",
        )

        def converged() -> bool:
            lines = self.manager.docker("service", "ls", *words).splitlines()
            counts = [line.split()[1].split("/") for line in lines]
            return bool(counts) and all(running == desired != "0" for running, desired in counts)

        until(converged, f"stack {stack} has converged", seconds=120)

    def service(self, name: str) -> dict[str, Any]:
        """Return a service as the manager has it stored."""
        found: list[dict[str, Any]] = json.loads(self.manager.docker("service", "inspect", name))
        return found[0]

    def running(self, service: str) -> list[str]:
        """Return the ids of a service's running tasks."""
        words = ("--filter", "desired-state=running", "--format", "{{.ID}} {{.CurrentState}}", "--no-trunc")
        lines = self.manager.docker("service", "ps", *words, service).splitlines()
        return [line.split()[0] for line in lines if line.split()[1] == "Running"]

    def remove_stack(self, stack: str) -> None:
        """Remove a stack and wait until its containers are gone."""
        self.manager.docker("stack", "rm", stack)
        label = f"label=com.docker.stack.namespace={stack}"
        until(
            lambda: not any(engine.docker("ps", "-aq", "--filter", label).strip() for engine in self.engines),
            f"the containers of stack {stack} are gone",
        )

    def down(self) -> None:
        """End the engines and remove everything. Idempotent."""
        for engine in self.engines:
            engine.kill()
        for engine in self.engines:
            engine.remove()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.network.down()

    def __enter__(self) -> Self:
        """Bring the bed up; what was begun is taken down when it fails."""
        try:
            self.up()
        except BaseException:
            self.down()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.down()


def until(holds: Callable[[], object], what: str, *, seconds: float = 90.0) -> None:
    """Wait until `holds()`; raise BedError, which says what was waited for, when it never does."""
    deadline = time.monotonic() + seconds
    failure = ""
    while time.monotonic() < deadline:
        try:
            if holds():
                return
        except BedError as error:
            failure = f"; lately: {error}"
        time.sleep(0.2)
    raise BedError(f"not within {seconds:g} s: {what}{failure}")
