"""The node process of the embedded swarm: supervises the replicas, measures them, and answers over HTTP.

LocalSwarm starts it, in a session of its own, with a NodeConfig as one line of JSON on standard input. That pipe is
also its lifeline: when it ends, or the parent process changes, the owner is gone, and this process ends its
replicas and itself. It is not the load generator's process, so that measuring never disturbs arrivals.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING

import msgspec
import psutil

from swarm_ext.model import Node, ServiceState
from swarm_ext.swarm.local_api import Endpoint
from swarm_ext.swarm.local_cadvisor import (
    Container,
    InfoRequest,
    Json,
    container_info,
    container_name,
    machine_container_info,
    machine_info,
)
from swarm_ext.swarm.local_measurements import Recorder
from swarm_ext.swarm.local_replica import ServiceSpec
from swarm_ext.swarm.local_supervisor import NODE, Supervisor

if TYPE_CHECKING:
    from collections.abc import Sequence

CLOSE_GRACE_SECONDS = 2.0
"""When the node ends, its replicas may finish what they do for so long."""

_MEASURE_SECONDS = 1.0
_STEP_SECONDS = 0.1
_POLL_SECONDS = 0.1


class NodeConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What the owner tells the node: its own process id, two listening sockets to inherit, and the service to run."""

    owner_pid: int
    service_fd: int
    endpoint_fd: int
    token: str
    service: ServiceSpec
    replicas: int


class LocalNode:
    """The node's one service and its measurements; implements NodeApi."""

    def __init__(self, config: NodeConfig, cadvisor_url: str) -> None:
        self._cadvisor_url = cadvisor_url
        self._supervisor = Supervisor(config.service, config.service_fd)
        self._recorder = Recorder()
        self._cores = psutil.cpu_count() or 1
        self._memory_bytes = psutil.virtual_memory().total

    def nodes(self) -> Sequence[Node]:
        """Return this node."""
        return [
            Node(
                id=NODE,
                name=NODE,
                address="127.0.0.1",
                state="ready",
                cadvisor_url=self._cadvisor_url,
                cores=float(self._cores),
            )
        ]

    def services(self) -> Sequence[str]:
        """Return the name of the one service."""
        return [self._supervisor.spec.name]

    def service(self, name: str) -> ServiceState | None:
        """Return the service's state; None if that is not its name."""
        return self._supervisor.state() if name == self._supervisor.spec.name else None

    def scale(self, name: str, replicas: int) -> None:  # noqa: ARG002  there is one service only
        """Ask for so many replicas."""
        self._supervisor.scale(replicas)

    def machine(self) -> Json:
        """Return cAdvisor's MachineInfo."""
        return machine_info(self._cores, self._memory_bytes, NODE)

    def machine_container(self, request: InfoRequest) -> Json:
        """Return cAdvisor's ContainerInfo of the whole machine."""
        points = self._recorder.machine(request.start_ns, request.end_ns, request.num_stats)
        names = [container_name(container) for container in self._containers()]
        return machine_container_info(self._cores, self._memory_bytes, names, points)

    def docker_containers(self, request: InfoRequest) -> dict[str, Json]:
        """Return cAdvisor's ContainerInfo of each replica that runs, by its name there."""
        found = {}
        for container in self._containers():
            points = self._recorder.replica(container.id, request.start_ns, request.end_ns, request.num_stats)
            found[container_name(container)] = container_info(container, points)
        return found

    def run(self, replicas: int, owner_pid: int) -> None:
        """Run so many replicas until the owner is gone, or SIGTERM; then end them."""
        ended = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: ended.set())
        signal.signal(signal.SIGINT, lambda *_: ended.set())
        try:
            self._supervisor.scale(replicas)
            next_measurement = time.monotonic()
            while not ended.is_set() and os.getppid() == owner_pid:
                self._supervisor.step()
                if time.monotonic() >= next_measurement:
                    processes = self._supervisor.processes()
                    self._recorder.measure({r.container_id: (r.pid, r.report) for _, r in processes})
                    next_measurement = max(next_measurement + _MEASURE_SECONDS, time.monotonic())
                pause = min(_STEP_SECONDS, max(0.0, next_measurement - time.monotonic()))
                if select.select([sys.stdin], [], [], pause)[0]:
                    break
        finally:
            self._supervisor.close(CLOSE_GRACE_SECONDS)

    def _containers(self) -> list[Container]:
        spec = self._supervisor.spec
        return [
            Container(
                id=replica.container_id,
                task_id=task.id,
                slot=task.slot,
                service=spec.name,
                node=NODE,
                created=replica.created,
                cpu_limit_cores=spec.cpu_limit_cores,
            )
            for task, replica in self._supervisor.processes()
        ]


def main() -> int:
    """Run the node that standard input describes; return the exit status."""
    try:
        config = msgspec.json.decode(sys.stdin.buffer.readline(), type=NodeConfig)
    except msgspec.DecodeError as error:
        sys.stderr.write(
            f"local_node: standard input has no NodeConfig ({error}); it is LocalSwarm that starts this\n"
        )
        return 2
    listener = socket.socket(fileno=config.endpoint_fd)
    listener.settimeout(None)
    host, port = listener.getsockname()
    node = LocalNode(config, f"http://{host}:{port}")
    endpoint = Endpoint(listener, node, config.token)
    threading.Thread(
        target=endpoint.serve_forever, args=(_POLL_SECONDS,), name="endpoint", daemon=True
    ).start()
    try:
        node.run(config.replicas, config.owner_pid)
    finally:
        endpoint.shutdown()
        endpoint.server_close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
