"""Changing a service's replicas, and nothing else of it.

A service is read as it is stored, its one number is changed, and it is sent back with the version that was read: the
swarm refuses it if anybody changed the service in between, and then it is read again. (The SDK's own
`Service.scale()` writes defaults back that were not there, which makes the swarm restart every replica.)
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import msgspec

from swarm_ext.swarm import ScalingHeldError, SwarmError, update_under_way
from swarm_ext.swarm.docker_connection import RefusedError
from swarm_ext.swarm.docker_wire import TaskSpec, WireService, WireTask, decode

if TYPE_CHECKING:
    from collections.abc import Iterable

    from swarm_ext.swarm.docker_connection import DockerConnection

ATTEMPTS = 5
PAUSE_SECONDS = 0.1
OUT_OF_SEQUENCE = "update out of sequence"
"""The swarm's words for: somebody changed it since you read it."""


def scale(connection: DockerConnection, service_id: str, replicas: int) -> None:
    """Set the replicas of a service; nothing is written if they are as asked.

    Raise ScalingHeldError while the service is being updated, also where that has only just been asked for; SwarmError
    if it has no replicas to set, or is changed by others all the time.
    """
    for attempt in range(ATTEMPTS):
        time.sleep(PAUSE_SECONDS * attempt)
        stored = connection.get(f"/services/{service_id}")
        service = decode(stored, WireService)
        check_scalable(service)
        if service.spec.mode.replicas == replicas:
            return
        check_settled(service, tasks_of(connection, service_id))
        try:
            connection.post(
                f"/services/{service_id}/update",
                with_replicas(stored, replicas),
                version=str(service.version.index),
            )
        except RefusedError as error:
            if OUT_OF_SEQUENCE not in str(error):
                raise
        else:
            return
    raise SwarmError(
        f"service {service.spec.name} could not be scaled to {replicas}: somebody else changed it at each of "
        f"{ATTEMPTS} attempts; see who does"
    )


def with_replicas(stored: bytes, replicas: int) -> bytes:
    """Return the specification within a stored service's JSON, the same but for its replicas."""
    specification: dict[str, Any] = json.loads(stored)["Spec"]
    specification["Mode"]["Replicated"]["Replicas"] = replicas
    return json.dumps(specification).encode()


def check_watchable(service: WireService) -> None:
    """Raise SwarmError for a job: it ends by itself, so it has no replicas that serve."""
    if service.spec.mode.replicas is None and not service.spec.mode.is_global:
        raise SwarmError(
            f"service {service.spec.name} is a job, which ends by itself; give a replicated or a global service"
        )


def check_scalable(service: WireService) -> None:
    """Raise SwarmError for a service that has no replicas to set."""
    check_watchable(service)
    if service.spec.mode.replicas is None:
        raise SwarmError(
            f"service {service.spec.name} is global, one task for each node; only a replicated service can be scaled"
        )


def check_settled(service: WireService, tasks: Iterable[WireTask]) -> None:
    """Raise ScalingHeldError while an update of the service is under way, or is about to begin.

    For a moment after an update was asked for, the swarm does not say so yet: then there are tasks of the old
    specification that should still run.
    """
    name, status = service.spec.name, service.update_status
    under_way = update_under_way(status.state if status else None)  # type: ignore[arg-type]
    if under_way:
        raise ScalingHeldError(f"service {name} is {under_way}")
    wanted = _restarting_part(service.spec.task_template)
    if any(_restarting_part(task.spec) != wanted for task in tasks if task.desired_state == "running"):
        raise ScalingHeldError(
            f"service {name} is about to be updated: it has tasks of an older specification"
        )


def tasks_of(connection: DockerConnection, service_id: str) -> list[WireTask]:
    """Return the tasks that should be there, and those that a scaling in has left to stop."""
    filters = {"service": [service_id], "desired-state": ["running", "ready", "remove"]}
    return decode(connection.get("/tasks", filters=json.dumps(filters)), list[WireTask])


def _restarting_part(task: TaskSpec) -> object:
    """Return what the swarm replaces a task for, as far as both a service and its tasks tell it."""
    return msgspec.json.decode(task.container_spec), task.resources, task.force_update
