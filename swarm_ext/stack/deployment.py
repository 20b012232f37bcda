"""A deployment by the `docker` client: which files, which variables, and how its words are told. Docker's SDK has none."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from swarm_ext.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from swarm_ext.swarm.docker_wire import WireNode

CONSTRAINT_VARIABLE = "WEB_CONSTRAINT"
ON_A_MANAGER = "node.role == manager"


@dataclass(frozen=True, slots=True)
class Deployment:
    """A stack to deploy: its name, its files in their order, and the variables that they are filled with."""

    name: str
    files: Sequence[Path]
    variables: Mapping[str, str]

    def command(self) -> list[str]:
        """Return the command line that deploys it, given the variables in the environment."""
        files = [word for file in self.files for word in ("--compose-file", str(file))]
        return ["docker", "stack", "deploy", *files, self.name]


def web_constraint(nodes: Sequence[WireNode], environment: Mapping[str, str]) -> str | None:
    """Return where the web service must be allowed to run because no node is what stack.yml asks for, None if one is.

    It asks for a node that is no manager. A constraint that is set in the environment stands.
    """
    if CONSTRAINT_VARIABLE in environment:
        return None
    workers = (node for node in nodes if node.manager_status is None and node.spec.availability == "active")
    return None if any(workers) else ON_A_MANAGER


def deploy(deployment: Deployment, *, seconds: float) -> Iterator[str]:
    """Hand the stack to the swarm, and yield what the client says it made; does not wait for any task.

    Raise UserError, in the client's words, where it is not installed, refuses a file, or takes longer than `seconds`.
    """
    command = deployment.command()
    try:
        done = subprocess.run(
            command,
            env={**os.environ, **deployment.variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except FileNotFoundError:
        raise UserError(
            "the `docker` client is not installed here, and only it can deploy a stack: install it (docker-ce-cli or "
            f"docker.io), or run where it is: {' '.join(command)}"
        ) from None
    except subprocess.TimeoutExpired:
        raise UserError(f"`{' '.join(command)}` did not end in time: give a longer --timeout") from None
    if done.returncode:
        words = [line for line in done.stderr.splitlines() if line.strip()] or ["no reason given"]
        raise UserError(f"`{' '.join(command)}` failed: {' '.join(words[-1].split())}")
    yield from (line for line in done.stdout.splitlines() if line.strip())
