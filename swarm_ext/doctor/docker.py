"""What a Docker swarm's manager says: its nodes, and the services in question."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import msgspec

from swarm_ext.model import Node, ServiceState
from swarm_ext.scaling.labels import ENABLED_LABEL
from swarm_ext.swarm import SwarmError
from swarm_ext.swarm.docker_connection import DockerConnection
from swarm_ext.swarm.docker_labels import ServiceLabels, all_labels
from swarm_ext.swarm.docker_swarm import open_docker_swarm

if TYPE_CHECKING:
    from collections.abc import Sequence


class ServiceView(msgspec.Struct, frozen=True):
    """A service in question: how it stands, and its labels."""

    state: ServiceState
    labels: ServiceLabels


class SwarmView(msgspec.Struct, frozen=True, kw_only=True):
    """What the manager at `address` says. `unknown`: why the service that was asked for is not among `services`."""

    address: str
    nodes: tuple[Node, ...]
    services: tuple[ServiceView, ...]
    unknown: str | None

    @property
    def running(self) -> frozenset[str]:
        """The ids of the containers of all replicas that run."""
        tasks = (task for service in self.services for task in service.state.tasks if task.ready)
        return frozenset(task.container_id for task in tasks if task.container_id)


def view_swarm(service: str | None, cadvisor_port: int) -> SwarmView:
    """Ask the manager for its nodes and for `service`, else for every service that has something to do with autoscaling.

    Raise SwarmError where there is no manager, UserError where the Docker SDK is missing.
    """
    with (
        closing(DockerConnection()) as connection,
        closing(open_docker_swarm(cadvisor_port=cadvisor_port)) as swarm,
    ):
        labels = {found.name: found for found in all_labels(connection)}
        names: Sequence[str] = [name for name, found in labels.items() if _concerns_scaling(found)]
        unknown = None
        if service is not None:
            try:
                names = [swarm.service(service).name]
            except SwarmError as error:
                names, unknown = [], str(error)
        return SwarmView(
            address=connection.address,
            nodes=tuple(swarm.nodes()),
            services=tuple(ServiceView(swarm.service(name), labels[name]) for name in names),
            unknown=unknown,
        )


def _concerns_scaling(found: ServiceLabels) -> bool:
    return any(name.startswith(ENABLED_LABEL) for name in (*found.labels, *found.container_labels))
