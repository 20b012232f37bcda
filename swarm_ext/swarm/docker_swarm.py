"""A real Docker swarm: what `--swarm docker` runs on.

    swarm = open_docker_swarm()
    swarm.scale("shop_web", 3)
    swarm.close()

A service may be named without its stack's name in front where that is unambiguous. A look at a service is two requests
to the manager: the service, and its tasks.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from swarm_ext.swarm import SwarmError
from swarm_ext.swarm.docker_connection import TIMEOUT_SECONDS, DockerConnection, RefusedError
from swarm_ext.swarm.docker_names import find_service
from swarm_ext.swarm.docker_records import node_names, node_records, service_state
from swarm_ext.swarm.docker_scaling import check_watchable, scale, tasks_of
from swarm_ext.swarm.docker_wire import EngineInfo, SwarmInfo, WireNode, WireService, WireTask, decode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeVar

    from swarm_ext.model import Node, ServiceState

    AnswerT = TypeVar("AnswerT")

DEFAULT_CADVISOR_PORT = 70
NOT_FOUND = 404


def open_docker_swarm(
    *, cadvisor_port: int = DEFAULT_CADVISOR_PORT, timeout_seconds: float = TIMEOUT_SECONDS
) -> DockerSwarm:
    """Connect to the swarm's manager, as any Docker client would (see `docker_connection`), and return the swarm.

    Each node's cAdvisor is expected on `cadvisor_port`. Raise SwarmError where there is no engine, or none that
    manages a swarm; UserError where the SDK is not installed.
    """
    connection = DockerConnection(timeout_seconds)
    try:
        swarm = DockerSwarm(connection, cadvisor_port)
        _check_manager(swarm, connection)
    except BaseException:
        connection.close()
        raise
    return swarm


def _check_manager(swarm: DockerSwarm, connection: DockerConnection) -> None:
    try:
        swarm.nodes()
    except RefusedError as refused:
        info = decode(connection.get("/info"), EngineInfo)
        raise SwarmError(why_no_manager(info.swarm, str(connection)) or str(refused)) from None


class DockerSwarm:
    """A Swarm behind `connection`, which must lead to a manager. Cooperative in a monkey-patched process."""

    kind = "docker"

    def __init__(self, connection: DockerConnection, cadvisor_port: int = DEFAULT_CADVISOR_PORT) -> None:
        self._connection = connection
        self._cadvisor_port = cadvisor_port
        self._ids: dict[str, str] = {}
        self._node_names: dict[str, str] = {}

    def nodes(self) -> Sequence[Node]:
        """Return every node, and for those that should have a cAdvisor where it answers; raise SwarmError."""
        nodes = self._nodes()
        return node_records(nodes, self._cadvisor_port, urlsplit(self._connection.address).hostname)

    def services(self) -> Sequence[str]:
        """Return the full names of all services; raise SwarmError."""
        return sorted(service.spec.name for service in self._services())

    def service(self, name: str) -> ServiceState:
        """Return the state of a replicated or global service now; raise UnknownServiceError or SwarmError."""
        return self._with_id(name, self._state)

    def scale(self, name: str, replicas: int) -> None:
        """Ask for `replicas` replicas and return at once; running replicas that stay are not touched.

        Raise ScalingHeldError while the service is being updated, SwarmError where it is global or a job.
        """
        self._with_id(name, lambda service_id: scale(self._connection, service_id, replicas))

    def close(self) -> None:
        """Close the connections to the manager. Idempotent."""
        self._connection.close()

    def _state(self, service_id: str) -> ServiceState:
        service = decode(self._connection.get(f"/services/{service_id}"), WireService)
        check_watchable(service)
        tasks = tasks_of(self._connection, service_id)
        if any(task.node_id and task.node_id not in self._node_names for task in tasks):
            self._nodes()
        running = sum(task.status.state == "running" for task in tasks)
        ended = self._ended(service_id) if running < len(tasks) else []
        return service_state(service, tasks, ended, self._node_names)

    def _ended(self, service_id: str) -> list[WireTask]:
        filters = json.dumps({"service": [service_id], "desired-state": ["shutdown"]})
        return decode(self._connection.get("/tasks", filters=filters), list[WireTask])

    def _nodes(self) -> list[WireNode]:
        nodes = decode(self._connection.get("/nodes"), list[WireNode])
        self._node_names = node_names(nodes)
        return nodes

    def _services(self) -> list[WireService]:
        return decode(self._connection.get("/services"), list[WireService])

    def _with_id(self, name: str, act: Callable[[str], AnswerT]) -> AnswerT:
        """Return `act` of the service's id, looked up anew where the service was deployed anew."""
        known = self._ids.get(name)
        if known is not None:
            try:
                return act(known)
            except RefusedError as error:
                if error.status != NOT_FOUND:
                    raise
                del self._ids[name]
        found = find_service(name, self._services())
        self._ids[name] = found.id
        return act(found.id)


def why_no_manager(swarm: SwarmInfo, engine: str) -> str | None:
    """Return why an engine, called `engine`, does not manage the swarm that it knows of, and the remedy; None if it does."""
    if swarm.local_node_state == "inactive":
        return f"{engine} is not in a swarm; make one by `docker swarm init` there, or set DOCKER_HOST to a manager"
    if swarm.local_node_state == "locked":
        return f"{engine} is in a swarm that is locked; unlock it by `docker swarm unlock` there"
    if swarm.local_node_state != "active":
        reason = f" ({swarm.error})" if swarm.error else ""
        return (
            f"{engine} is in a swarm, but its state there is {swarm.local_node_state!r}{reason}; "
            "see `docker info` there"
        )
    if not swarm.control_available:
        managers = ", ".join(manager.addr.rpartition(":")[0] for manager in swarm.remote_managers or ())
        return f"{engine} is a worker of its swarm, not a manager; set DOCKER_HOST to a manager" + (
            f": {managers}" if managers else ""
        )
    return None
