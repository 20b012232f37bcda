"""A stack for people and programs: its nodes, services and tasks, and where each port is reached. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from swarm_ext.stack.convergence import progress_of
from swarm_ext.web_address import in_brackets

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from swarm_ext.model import Node
    from swarm_ext.stack.snapshot import Port, Stack, StackService, StackTask

_PATHS = {"web": "/primecheck"}
_MONGO_PORT = 27017
_REMEMBERED = ("shutdown", "remove")


class NodeLine(msgspec.Struct, frozen=True):
    """A machine of the swarm."""

    name: str
    address: str
    role: str
    state: str
    cores: float | None


class ServiceLine(msgspec.Struct, frozen=True):
    """A service of the stack."""

    name: str
    mode: str
    desired: int
    running: int
    update: str | None
    image: str


class TaskLine(msgspec.Struct, frozen=True):
    """A task that runs, or should."""

    service: str
    slot: int | None
    node: str | None
    state: str
    since: datetime
    error: str | None


class Address(msgspec.Struct, frozen=True):
    """Where a service answers. `node` is None where every node answers for it."""

    service: str
    node: str | None
    url: str


class Overview(msgspec.Struct, frozen=True):
    """All of it."""

    stack: str
    nodes: tuple[NodeLine, ...]
    services: tuple[ServiceLine, ...]
    tasks: tuple[TaskLine, ...]
    addresses: tuple[Address, ...]


def overview(stack: Stack, nodes: Sequence[Node]) -> Overview:
    """Put a look at a stack and the nodes' records together."""
    managers = {node.id for node in stack.nodes if node.manager_status is not None}
    names = {node.id: node.name for node in nodes}
    return Overview(
        stack=stack.name,
        nodes=tuple(
            NodeLine(
                node.name,
                node.address,
                "manager" if node.id in managers else "worker",
                node.state,
                node.cores,
            )
            for node in nodes
        ),
        services=tuple(_services(stack)),
        tasks=tuple(
            line
            for service in stack.services
            for line in sorted(
                _tasks(stack, service, names), key=lambda line: (line.slot or 0, line.node or "")
            )
        ),
        addresses=tuple(
            address for service in stack.services for address in _addresses(stack, service, nodes, managers)
        ),
    )


def _services(stack: Stack) -> Iterator[ServiceLine]:
    for service, progress in zip(stack.services, progress_of(stack), strict=True):
        yield ServiceLine(
            name=service.spec.name,
            mode="global" if service.spec.mode.replicas is None else "replicated",
            desired=progress.desired,
            running=progress.running,
            update=service.update_status.state if service.update_status else None,
            image=service.image,
        )


def _tasks(stack: Stack, service: StackService, names: Mapping[str, str]) -> Iterator[TaskLine]:
    for task in stack.tasks_of(service):
        if task.desired_state not in _REMEMBERED:
            yield TaskLine(
                service=service.spec.name,
                slot=task.slot,
                node=names.get(task.node_id),
                state=task.status.state,
                since=task.status.timestamp,
                error=" ".join(task.status.err.split()) or None,
            )


def _addresses(
    stack: Stack, service: StackService, nodes: Sequence[Node], managers: set[str]
) -> Iterator[Address]:
    ready = [node for node in nodes if node.state == "ready"]
    running = {task.node_id for task in stack.tasks_of(service) if _runs(task)}
    name = stack.short_name(service)
    for port in service.endpoint.ports or ():
        if port.publish_mode == "host":
            for node in ready:
                if node.id in running:
                    yield Address(service.spec.name, node.name, _url(name, node.address, port))
        elif ready:
            node = next((node for node in ready if node.id in managers), ready[0])
            yield Address(service.spec.name, None, _url(name, node.address, port))


def _runs(task: StackTask) -> bool:
    return task.status.state == task.desired_state == "running"


def _url(service: str, address: str, port: Port) -> str:
    scheme = "mongodb" if port.target_port == _MONGO_PORT else "http"
    shown = "" if (scheme, port.published_port) == ("http", 80) else f":{port.published_port}"
    return f"{scheme}://{in_brackets(address)}{shown}{_PATHS.get(service, '/')}"
