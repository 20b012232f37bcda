"""Taking a stack away again, in the swarm's own order: services, what they leave behind, then the networks."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from swarm_ext.errors import UserError
from swarm_ext.stack.engine import said
from swarm_ext.stack.snapshot import look
from swarm_ext.swarm.docker_names import STACK_LABEL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from swarm_ext.stack.engine import Engine

_POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Parts:
    """What a swarm has of a stack, as the SDK's objects. A deployment that failed may have left networks alone."""

    services: Sequence[Any]
    configs: Sequence[Any]
    secrets: Sequence[Any]
    networks: Sequence[Any]

    def __bool__(self) -> bool:
        return any((self.services, self.configs, self.secrets, self.networks))


def parts_of(engine: Engine, name: str) -> Parts:
    """Return what there is of the stack called `name`."""
    mine = {"label": f"{STACK_LABEL}={name}"}
    client = engine.client
    return Parts(
        client.services.list(filters=mine),
        client.configs.list(filters=mine),
        client.secrets.list(filters=mine),
        client.networks.list(filters=mine),
    )


def remove_stack(engine: Engine, name: str, parts: Parts, *, seconds: float) -> Iterator[str]:
    """Remove the stack's `parts`, waiting until its tasks have ended, and yield what was removed, kind by kind.

    Raise UserError where that takes more than `seconds`.
    """
    deadline = time.monotonic() + seconds
    yield from _removed("service", parts.services, deadline)
    _until(lambda: not look(engine.connection, name).tasks, deadline, f"the tasks of stack {name} have ended")
    yield from _removed("config", parts.configs, deadline)
    yield from _removed("secret", parts.secrets, deadline)
    yield from _removed("network", parts.networks, deadline)


def remove_data(engine: Engine, name: str, secret: str, *, seconds: float) -> Iterator[str]:
    """Remove the stack's volumes on this engine and the password that belongs to what was in them; yield what went."""
    deadline = time.monotonic() + seconds
    volumes = engine.client.volumes.list(filters={"label": f"{STACK_LABEL}={name}"})
    yield from _removed("volume", volumes, deadline)
    if not volumes:
        yield "Removed no volume: there is none of this stack on this engine."
    for found in engine.client.secrets.list(filters={"name": secret}):
        if found.name == secret:
            yield _without_secret(found, secret)


def _without_secret(found: Any, name: str) -> str:
    """Remove the secret unless a service of somebody else's uses it; return what became of it."""
    from docker.errors import APIError, NotFound  # noqa: PLC0415 - who has no swarm needs no SDK

    try:
        found.remove()
    except NotFound:
        pass
    except APIError as error:
        return f"Kept secret {name}: {said(error)}"
    return f"Removed secret {name}."


def _removed(kind: str, things: Sequence[Any], deadline: float) -> Iterator[str]:
    for thing in things:
        _remove(thing, deadline)
    if things:
        names = ", ".join(sorted(thing.name for thing in things))
        yield f"Removed {kind}{'s' if len(things) > 1 else ''} {names}."


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
