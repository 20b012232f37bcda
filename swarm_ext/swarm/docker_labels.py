"""Where the labels of a Docker swarm's services are: on the service itself, or on each of its containers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec

from swarm_ext.swarm.docker_wire import WireService, decode

if TYPE_CHECKING:
    from swarm_ext.swarm.docker_connection import DockerConnection


class ServiceLabels(msgspec.Struct, frozen=True, kw_only=True):
    """A service's name, its own labels (`deploy.labels` in a stack file), and its containers' (`labels` there)."""

    name: str
    labels: dict[str, str]
    container_labels: dict[str, str]


class _ContainerSpec(msgspec.Struct, frozen=True, rename="pascal"):
    labels: dict[str, str] | None = None


def labelled_services(connection: DockerConnection, label: str) -> list[str]:
    """Return the full names of the services that have `label` themselves, whatever its value. One request."""
    filters = json.dumps({"label": [label]})
    found = decode(connection.get("/services", filters=filters), list[WireService])
    return sorted(service.spec.name for service in found)


def all_labels(connection: DockerConnection) -> list[ServiceLabels]:
    """Return every service's labels, by name. One request."""
    services = decode(connection.get("/services"), list[WireService])
    return sorted((_labels(service) for service in services), key=lambda found: found.name)


def _labels(service: WireService) -> ServiceLabels:
    raw = service.spec.task_template.container_spec
    container = msgspec.json.decode(raw, type=_ContainerSpec)
    return ServiceLabels(
        name=service.spec.name,
        labels=dict(service.spec.labels or {}),
        container_labels=dict(container.labels or {}),
    )
