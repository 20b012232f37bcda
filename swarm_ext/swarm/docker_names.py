"""Which service a name means: pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swarm_ext.swarm import SwarmError, UnknownServiceError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from swarm_ext.swarm.docker_wire import WireService

STACK_LABEL = "com.docker.stack.namespace"


def find_service(name: str, services: Sequence[WireService]) -> WireService:
    """Return the service called `name`, else the one that `name` means without its stack's name in front.

    Raise UnknownServiceError, which lists all services, if there is none, and SwarmError, which lists those meant, if
    there are several.
    """
    for service in services:
        if service.spec.name == name:
            return service
    meant = [service for service in services if _short_name(service) == name]
    if len(meant) == 1:
        return meant[0]
    if meant:
        names = ", ".join(sorted(service.spec.name for service in meant))
        raise SwarmError(f"service {name!r} is in several stacks: give its full name, one of {names}")
    known = ", ".join(sorted(service.spec.name for service in services))
    raise UnknownServiceError(
        f"the swarm has no service {name!r}; "
        + (f"give one of {known}" if known else "it has no service at all: deploy it first")
    )


def _short_name(service: WireService) -> str:
    stack = (service.spec.labels or {}).get(STACK_LABEL, "")
    return service.spec.name.removeprefix(f"{stack}_")
