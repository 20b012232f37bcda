"""The Docker engine that a command works on: the SDK's client, every error of which ends the command in one line."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from swarm_ext.errors import UserError
from swarm_ext.swarm.docker_connection import DockerConnection
from swarm_ext.swarm.docker_wire import EngineInfo, decode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker import DockerClient

    from swarm_ext.swarm.docker_wire import SwarmInfo

CALL_SECONDS = 60.0
"""An engine answers within milliseconds, but creating a container or removing a volume can take it long."""


class Engine:
    """One engine: `client` is the SDK's, `connection` the typed one for what is asked again and again."""

    def __init__(self, client: DockerClient, connection: DockerConnection) -> None:
        self.client = client
        self.connection = connection

    @property
    def remote_host(self) -> str | None:
        """The name of the machine that the engine is on; None if it is this one."""
        return urlsplit(self.connection.address).hostname

    def swarm_info(self) -> SwarmInfo:
        """Return what the engine knows of the swarm that it is in; raise SwarmError."""
        return decode(self.connection.get("/info"), EngineInfo).swarm


@contextmanager
def open_engine() -> Iterator[Engine]:
    """Connect as any Docker client does: DOCKER_HOST, else the current `docker context`, else this machine's socket.

    Raise SwarmError where the engine does not answer, and UserError where it refuses what is asked of it, or where
    the SDK is not installed.
    """
    connection = DockerConnection()
    try:
        connection.get("/_ping")
        with _sdk_client() as client:
            yield Engine(client, connection)
    finally:
        connection.close()


@contextmanager
def _sdk_client() -> Iterator[DockerClient]:
    import docker  # noqa: PLC0415 - who has no swarm needs no SDK
    import requests  # noqa: PLC0415
    from docker.errors import APIError, DockerException  # noqa: PLC0415

    client = docker.from_env(timeout=int(CALL_SECONDS))
    try:
        yield client
    except APIError as error:
        raise UserError(f"the Docker engine refused: {said(error)}") from error
    except (DockerException, requests.RequestException) as error:
        raise UserError(f"the Docker engine did not answer: {' '.join(str(error).split())}") from error
    finally:
        client.close()


def said(error: Exception) -> str:
    """Return an engine's own words of why it refused, in one line."""
    words = getattr(error, "explanation", None)
    return " ".join(str(words or error).split())


def require_manager(info: SwarmInfo) -> None:
    """Raise UserError, with the remedy, unless the engine manages a swarm."""
    if info.local_node_state == "inactive":
        raise UserError(
            "this Docker engine is in no swarm: `swarm-ext stack deploy --init-swarm` makes it the manager of one, "
            "or set DOCKER_HOST to a manager"
        )
    if not info.control_available:
        managers = ", ".join(peer.addr.rpartition(":")[0] for peer in info.remote_managers or ()) or "unknown"
        raise UserError(
            f"this Docker engine is a worker of its swarm; only a manager can do this: set DOCKER_HOST to one "
            f"(managers: {managers})"
        )
