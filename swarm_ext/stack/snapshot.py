"""A stack as the swarm's manager sees it now: its nodes, services and tasks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec

from swarm_ext.swarm.docker_names import STACK_LABEL
from swarm_ext.swarm.docker_wire import UpdateStatus, WireNode, WireService, WireTask, decode

if TYPE_CHECKING:
    from swarm_ext.swarm.docker_connection import DockerConnection


class Port(msgspec.Struct, frozen=True, rename="pascal"):
    """A published port of a service."""

    target_port: int
    published_port: int = 0
    publish_mode: str = "ingress"


class Endpoint(msgspec.Struct, frozen=True, rename="pascal"):
    """How a service is reached."""

    ports: tuple[Port, ...] | None = None


class Update(UpdateStatus, frozen=True):
    """How a rolling update stands, since when, and why."""

    started_at: str = ""
    message: str = ""


class StackService(WireService, frozen=True, kw_only=True):
    """A service, with what only these commands ask of it."""

    update_status: Update | None = None
    endpoint: Endpoint = Endpoint()

    @property
    def image(self) -> str:
        """The image's name, without the digest that the swarm pins it to."""
        spec = msgspec.json.decode(self.spec.task_template.container_spec, type=_ContainerSpec)
        return spec.image.partition("@")[0]


class StackTask(WireTask, frozen=True, kw_only=True):
    """A task, and which service it is of."""

    service_id: str = msgspec.field(name="ServiceID", default="")


class _ContainerSpec(msgspec.Struct, frozen=True, rename="pascal"):
    image: str = ""


class Stack(msgspec.Struct, frozen=True):
    """Everything at one moment. `services` are in the order of their names."""

    name: str
    nodes: tuple[WireNode, ...]
    services: tuple[StackService, ...]
    tasks: tuple[StackTask, ...]

    def tasks_of(self, service: StackService) -> list[StackTask]:
        """Return the service's tasks, also those that ended and that the swarm remembers."""
        return [task for task in self.tasks if task.service_id == service.id]

    def short_name(self, service: StackService) -> str:
        """Return the service's name without the stack's in front."""
        return service.spec.name.removeprefix(f"{self.name}_")


def look(connection: DockerConnection, name: str) -> Stack:
    """Return the stack called `name`, which has no services if there is none; raise SwarmError."""
    filters = json.dumps({"label": [f"{STACK_LABEL}={name}"]})
    services = decode(connection.get("/services", filters=filters), tuple[StackService, ...])
    return Stack(
        name=name,
        nodes=decode(connection.get("/nodes"), tuple[WireNode, ...]),
        services=tuple(sorted(services, key=lambda service: service.spec.name)),
        tasks=decode(connection.get("/tasks", filters=filters), tuple[StackTask, ...]),
    )


def stack_names(connection: DockerConnection) -> list[str]:
    """Return the names of all stacks; raise SwarmError."""
    services = decode(connection.get("/services"), tuple[WireService, ...])
    return sorted({(service.spec.labels or {}).get(STACK_LABEL, "") for service in services} - {""})
