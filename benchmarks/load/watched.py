"""Our users with all that can watch beside them: the service is one of 50 replicas, which the autoscaler looks after."""

from __future__ import annotations

from datetime import UTC, datetime

import swarm_ext.bench
from benchmarks.cadvisor_node import CONTAINERS, container_id
from benchmarks.load.ours import Visitor  # noqa: F401 - the user
from swarm_ext.model import Node, ServiceState, Task


class FixedSwarm:
    """A swarm whose one service has the replicas that the node of 50 containers tells of, and keeps them."""

    kind = "simulated"

    def nodes(self) -> list[Node]:
        """Return none: --cadvisor names the node."""
        return []

    def services(self) -> list[str]:
        """Return the service's name."""
        return ["web"]

    def service(self, name: str) -> ServiceState:
        """Return the service, all of it ready since long ago."""
        tasks = tuple(
            Task(
                id=f"task{number}", slot=number, node="n1", container_id=container_id(number), state="running",
                desired_state="running", ready=True, since=datetime(2026, 1, 1, tzinfo=UTC),
            )
            for number in range(1, CONTAINERS + 1)
        )  # fmt: skip
        return ServiceState(
            name=name, desired=len(tasks), running=len(tasks), ready=len(tasks), pending=0, update_state=None,
            tasks=tasks, cpu_limit_cores=0.5, cpu_reservation_cores=None, memory_limit_bytes=None, labels={},
        )  # fmt: skip

    def scale(self, name: str, replicas: int) -> None:
        """Stay as it is."""

    def close(self) -> None:
        """Have nothing to let go of."""


swarm_ext.bench.open_swarm = lambda _environment, _chosen: FixedSwarm()  # type: ignore[assignment, attr-defined]
