"""Small services on the bed's swarm, made by the `docker` client as anybody would, and removed without a trace."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING
from unittest.mock import patch

from swarm_ext.swarm.docker_connection import DockerConnection
from swarm_ext.swarm.docker_swarm import DockerSwarm
from tests.integration.bed.images import CADVISOR, PYTHON
from tests.integration.bed.swarm import until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from swarm_ext.model import ServiceState
    from tests.integration.bed.engine import Engine
    from tests.integration.bed.swarm import Bed

SLEEP = ("sh", "-c", "trap exit TERM; sleep 100000 & wait")
BURN = ("python3", "-c", "while True: pass")
CADVISOR_FLAGS = (
    "--housekeeping_interval=1s",
    "--allow_dynamic_housekeeping=false",
    "--storage_duration=2m0s",
    "--docker_only=true",
)
LONGEST_GAP_SECONDS = 5.0
"""The most between two points of a cAdvisor with these flags, which lets up to twice its interval pass, and may be held up."""


@contextmanager
def docker_swarm(bed: Bed) -> Iterator[DockerSwarm]:
    """The bed's swarm, found by DOCKER_HOST."""
    with patch.dict(os.environ, {"DOCKER_HOST": bed.manager.docker_host}):
        swarm = DockerSwarm(DockerConnection())
        try:
            yield swarm
        finally:
            swarm.close()


@contextmanager
def service(bed: Bed, name: str, *options: str, command: tuple[str, ...] = SLEEP) -> Iterator[str]:
    """A service of that name, without waiting for its tasks."""
    words = ("service", "create", "--detach", "--quiet", "--no-resolve-image", "--stop-grace-period", "2s")
    bed.manager.docker(*words, "--name", name, *options, PYTHON, *command)
    try:
        yield name
    finally:
        remove(bed, name)


WITHOUT_CADVISOR = "without-cadvisor"
"""A node's label: unlike an update of the service it takes one node's cAdvisor away and lets the others be."""


@contextmanager
def cadvisors(
    bed: Bed, name: str = "cadvisor", *, port: int = 70, flags: Sequence[str] = CADVISOR_FLAGS
) -> Iterator[str]:
    """cAdvisor on every node that has not the label of WITHOUT_CADVISOR, on one port of each, as stack.yml has it."""
    mounts = [f"type=bind,src={src},dst={dst},ro=true" for src, dst in (("/", "/rootfs"), ("/sys", "/sys"))]
    mounts += [f"type=bind,src={path},dst={path},ro=true" for path in ("/var/run", "/var/lib/docker")]
    words = [
        "service",
        "create",
        "--detach",
        "--quiet",
        "--no-resolve-image",
        "--mode",
        "global",
        "--name",
        name,
    ]
    words += ["--constraint", f"node.labels.{WITHOUT_CADVISOR}!=yes"]
    words += [word for mount in mounts for word in ("--mount", mount)]
    bed.manager.docker(*words, "--publish", f"mode=host,published={port},target=8080", CADVISOR, *flags)
    try:
        yield name
    finally:
        remove(bed, name)


def wait_for_points(bed: Bed, *names: str, port: int = 70) -> None:
    """Wait until what runs of these services has been measured twice by the cAdvisor of its node."""
    for engine in bed.engines:
        until(partial(_has_points, engine, names, port), f"{engine.name} is measured")


def _has_points(engine: Engine, names: Sequence[str], port: int) -> bool:
    label = "label=com.docker.swarm.service.name"
    running = [engine.docker("ps", "-q", "--no-trunc", "-f", f"{label}={name}").split() for name in names]
    url = f"http://{engine.host.address}:{port}/api/v1.3/docker/"
    answer = json.loads(engine.host.run("busybox", "wget", "-q", "-O", "-", url))
    measured = {each["id"] for each in answer.values() if len(each["stats"] or ()) > 1}
    return {container for found in running for container in found} <= measured


def remove(bed: Bed, name: str) -> None:
    """Remove a service, and wait until none of its containers is left."""
    bed.manager.docker("service", "rm", name)
    label = f"label=com.docker.swarm.service.name={name}"
    until(
        lambda: not any(engine.docker("ps", "-aq", "--filter", label).strip() for engine in bed.engines),
        f"the containers of {name} are gone",
    )


def converged(swarm: DockerSwarm, name: str, replicas: int) -> ServiceState:
    """Wait until exactly so many replicas run and no other task is left; return the state."""
    states: list[ServiceState] = []

    def holds() -> bool:
        states.append(swarm.service(name))
        return states[-1].running == len(states[-1].tasks) == states[-1].desired == replicas

    until(holds, f"{name} has {replicas} running replicas")
    return states[-1]


def containers(state: ServiceState) -> set[str]:
    """The ids of the containers that run."""
    return {task.container_id for task in state.tasks if task.state == "running" and task.container_id}
