"""What the replicas run on: the interface that every swarm implements.

Implementations are made by the composition root (`plugin`, `cli`) alone; everything else sees this protocol.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from swarm_ext.model import Node, ServiceState, UpdateState

_UNDER_WAY: dict[UpdateState, str] = {
    "updating": "being updated",
    "paused": "in the middle of an update",
    "rollback_started": "being rolled back",
    "rollback_paused": "in the middle of a rollback",
}


class SwarmError(Exception):
    """The swarm did not answer, or refused. The text is one line: what was asked, what came back."""


class UnknownServiceError(SwarmError):
    """There is no such service. The text lists those that there are."""


class ScalingHeldError(SwarmError):
    """The service is being updated or rolled back, and scaling it now would be in the way: nothing was changed."""


class Swarm(Protocol):
    """A swarm: nodes that run the replicas of services. Calls may block (cooperatively) and may raise SwarmError."""

    @property
    def kind(self) -> str:
        """`local` or `docker`: how reports name it."""
        ...

    def nodes(self) -> Sequence[Node]:
        """Return every node, with its state and where its cAdvisor answers."""
        ...

    def services(self) -> Sequence[str]:
        """Return the names of all services."""
        ...

    def service(self, name: str) -> ServiceState:
        """Return one service's state now; raise UnknownServiceError if there is none of that name."""
        ...

    def scale(self, name: str, replicas: int) -> None:
        """Ask for `replicas` replicas and return at once; running replicas that stay are not touched.

        Raise ScalingHeldError where that has to wait for an update of the service, SwarmError where it is refused.
        """
        ...

    def close(self) -> None:
        """Let go of connections, and of processes that this object started. Idempotent."""
        ...


def update_under_way(state: UpdateState | None) -> str | None:
    """Return in words what is being done to a service, such as `being updated (updating)`; None if it is settled.

    Who scales it in the meantime makes the half-done state the one that a rollback would return to.
    """
    words = _UNDER_WAY.get(state) if state else None
    return words and f"{words} ({state})"
