"""Notices what the swarm cannot place, so that replicas which never run are not asked for again and again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from swarm_ext.model import ServiceState, Task

PENDING_TOO_LONG_SECONDS = 30.0
"""A task that waits for a node longer than this is taken for one that the swarm cannot place."""

RETRY_AFTER_SECONDS = 120.0
"""How long a cap holds after the last task that could not be placed: nodes come back, other services shrink."""


@dataclass(frozen=True, slots=True)
class Cap:
    """At most this many replicas can be placed now; `error` is the swarm's own."""

    replicas: int
    error: str


class Placement:
    """Follows pending tasks from one state to the next. `now` is monotonic, in seconds."""

    def __init__(self) -> None:
        self._pending_since: dict[str, float] = {}
        self._cap: Cap | None = None
        self._until = 0.0

    def see(self, service: ServiceState, now: float) -> Cap | None:
        """Take in a state; return the cap that holds."""
        waiting = {task.id: task for task in service.tasks if _waits_for_a_node(task)}
        self._pending_since = {task_id: self._pending_since.get(task_id, now) for task_id in waiting}
        stuck = [
            waiting[task_id]
            for task_id, since in self._pending_since.items()
            if now - since > PENDING_TOO_LONG_SECONDS
        ]
        if stuck:
            error = next((task.error for task in stuck if task.error), "it gives no reason")
            self._cap = Cap(max(1, service.desired - len(stuck)), error)
            self._until = now + RETRY_AFTER_SECONDS
        elif now >= self._until:
            self._cap = None
        elif self._cap is not None and service.running > self._cap.replicas:
            self._cap = Cap(service.running, self._cap.error)
        return self._cap


def _waits_for_a_node(task: Task) -> bool:
    return task.desired_state == "running" and task.state == "pending"
