"""Taking a stack away again, in the swarm's own order: services, what they leave behind, then the networks."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from swarm_ext.errors import UserError
from swarm_ext.stack.engine import said
from swarm_ext.stack.snapshot import look
from swarm_ext.swarm.docker_names import STACK_LABEL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from swarm_ext.stack.engine import Engine

_POLL_SECONDS = 0.5


def remove_stack(engine: Engine, name: str, *, seconds: float) -> Iterator[str]:
    """Remove the stack's services, networks, configs and secrets, and yield what was removed, kind by kind.

    Waits until its tasks have ended. Raise UserError where that takes more than `seconds`.
    """
    deadline = time.monotonic() + seconds
    mine = {"label": f"{STACK_LABEL}={name}"}
    client = engine.client
    services = client.services.list(filters=mine)
    for service in services:
        _remove(service, deadline)
    yield _told("service", services)
    _until(lambda: not look(engine.connection, name).tasks, deadline, f"the tasks of stack {name} have ended")
    for kind, found in (
        ("config", client.configs.list(filters=mine)),
        ("secret", client.secrets.list(filters=mine)),
        ("network", client.networks.list(filters=mine)),
    ):
        for one in found:
            _remove(one, deadline)
        if found:
            yield _told(kind, found)


def remove_data(engine: Engine, name: str, secret: str, *, seconds: float) -> Iterator[str]:
    """Remove the stack's volumes on this engine and the password that belongs to what was in them; yield what went."""
    deadline = time.monotonic() + seconds
    volumes = engine.client.volumes.list(filters={"label": f"{STACK_LABEL}={name}"})
    for volume in volumes:
        _remove(volume, deadline)
    if volumes:
        yield _told("volume", volumes)
    else:
        yield "Removed no volume: there is none of this stack on this engine."
    for found in engine.client.secrets.list(filters={"name": secret}):
        if found.name == secret:
            _remove(found, deadline)
            yield f"Removed secret {secret}."


def _remove(one: Any, deadline: float) -> None:
    """Remove something that may still be in use for a while by tasks that are ending."""
    from docker.errors import APIError, NotFound  # noqa: PLC0415 - who has no swarm needs no SDK

    refused = ""

    def removed() -> bool:
        nonlocal refused
        try:
            one.remove()
        except NotFound:
            return True
        except APIError as error:
            refused = f"; the engine says: {said(error)}"
            return False
        return True

    _until(removed, deadline, f"{one.name} can be removed", lambda: refused)


def _until(
    holds: Callable[[], bool], deadline: float, what: str, why: Callable[[], str] = lambda: ""
) -> None:
    while not holds():
        if time.monotonic() > deadline:
            raise UserError(
                f"gave up waiting until {what}{why()}: run the same command again, or give a longer --timeout"
            )
        time.sleep(_POLL_SECONDS)


def _told(kind: str, things: Sequence[Any]) -> str:
    names = ", ".join(sorted(thing.name for thing in things))
    return f"Removed {kind}{'s' if len(things) > 1 else ''} {names}."
