"""Whether a stack is what was asked for yet, or will never be: decided from looks at it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from swarm_ext.stack.snapshot import Stack, StackService, StackTask

PLACEMENT_PATIENCE_SECONDS = 15.0
"""A task that fits nowhere for so long will not: nodes join and old tasks leave sooner."""

MOST_FAILURES = 3
"""So many tasks of one service that ended by themselves since the deployment are a service that does not run."""

_ACTIVE = ("running", "ready")
_UPDATING = ("updating", "rollback_started")
_UPDATE_FAILED = ("paused", "rollback_paused", "rollback_completed")
_ENDED_BADLY = ("failed", "rejected")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one service is: `running` of `desired` tasks run what is asked for."""

    name: str
    desired: int
    running: int
    updating: bool

    @property
    def done(self) -> bool:
        """Whether all tasks are there, and none is being replaced."""
        return self.running >= self.desired and not self.updating

    def __str__(self) -> str:
        return f"{self.name} {self.running}/{self.desired}{' (updating)' if self.updating else ''}"


def progress_of(stack: Stack) -> list[Progress]:
    """Return how far each service is."""
    return [_progress(stack, service) for service in stack.services]


def _progress(stack: Stack, service: StackService) -> Progress:
    active = [task for task in stack.tasks_of(service) if task.desired_state in _ACTIVE]
    replicas = service.spec.mode.replicas
    update = service.update_status
    return Progress(
        name=stack.short_name(service),
        desired=_nodes_of_global(stack, active) if replicas is None else replicas,
        running=sum(task.status.state == "running" and _as_asked(task, service) for task in active),
        updating=update is not None and update.state in _UPDATING,
    )


def _nodes_of_global(stack: Stack, active: Sequence[StackTask]) -> int:
    """Return how many tasks a global service will have: right after it was made, it has none yet."""
    return len(active) or sum(_usable(node.status.state, node.spec.availability) for node in stack.nodes)


def _usable(state: str, availability: str) -> bool:
    return state == "ready" and availability == "active"


def _as_asked(task: StackTask, service: StackService) -> bool:
    """Return whether the task has what the service now asks for: an update may not have begun yet."""
    has, asked = task.spec, service.spec.task_template
    return (
        bytes(has.container_spec) == bytes(asked.container_spec)
        and has.resources == asked.resources
        and has.force_update == asked.force_update
    )


class Convergence:
    """Follows a stack since `before` its deployment. What had failed before is not held against the deployment."""

    def __init__(self, before: Stack) -> None:
        self._updates = {service.id: service.update_status for service in before.services}
        self._tasks = {task.id for task in before.tasks}
        self._unplaceable_since: float | None = None

    def hopeless(self, stack: Stack, now: float) -> str | None:
        """Return why the stack will not become what was asked for, None while it may. `now` is in seconds."""
        return self._failed_update(stack) or self._failing(stack) or self._unplaceable(stack, now)

    def _failed_update(self, stack: Stack) -> str | None:
        for service in stack.services:
            update = service.update_status
            if update and update.state in _UPDATE_FAILED and update != self._updates.get(service.id):
                what = "was rolled back" if update.state == "rollback_completed" else "is paused"
                return f"{service.spec.name}: the update {what}: {_one_line(update.message)}"
        return None

    def _failing(self, stack: Stack) -> str | None:
        for service in stack.services:
            ended = [
                task
                for task in stack.tasks_of(service)
                if task.status.state in _ENDED_BADLY and task.id not in self._tasks
            ]
            if len(ended) >= MOST_FAILURES and not _progress(stack, service).done:
                last = max(ended, key=lambda task: task.status.timestamp)
                return f"{service.spec.name}: its tasks end again and again, {_trouble(stack, last)}"
        return None

    def _unplaceable(self, stack: Stack, now: float) -> str | None:
        waiting = waiting_for_a_place(stack)
        if not waiting:
            self._unplaceable_since = None
            return None
        if self._unplaceable_since is None:
            self._unplaceable_since = now
        return waiting[0] if now - self._unplaceable_since >= PLACEMENT_PATIENCE_SECONDS else None


def waiting_for_a_place(stack: Stack) -> list[str]:
    """Return, for each service with tasks that the swarm cannot place, which and its own reason."""
    reasons = []
    for service in stack.services:
        tasks = [task for task in _waiting(stack.tasks_of(service)) if task.status.err]
        if tasks:
            count = f"{len(tasks)} tasks" if len(tasks) > 1 else "1 task"
            reasons.append(
                f"{service.spec.name}: {count} cannot be placed, the swarm says: {_one_line(tasks[0].status.err)}"
            )
    return reasons


def unfinished(stack: Stack) -> str:
    """Return what is still missing, with the swarm's own reasons where it gave some."""
    parts = waiting_for_a_place(stack)
    for service, progress in zip(stack.services, progress_of(stack), strict=True):
        if progress.done:
            continue
        tasks = [task for task in stack.tasks_of(service) if task.desired_state in _ACTIVE]
        states = sorted({task.status.state for task in tasks} - {"running"})
        words = f"; tasks are {', '.join(states)}" if states else ""
        troubles = [
            task for task in stack.tasks_of(service) if task.status.err and task.status.state in _ENDED_BADLY
        ]
        last = max(troubles, key=lambda task: task.status.timestamp, default=None)
        parts.append(f"{progress}{words}" + (f", {_trouble(stack, last)}" if last else ""))
    return "; ".join(parts)


def _waiting(tasks: Iterable[StackTask]) -> list[StackTask]:
    return [task for task in tasks if task.status.state == "pending" and task.desired_state in _ACTIVE]


def _trouble(stack: Stack, task: StackTask) -> str:
    names = {node.id: node.description.hostname for node in stack.nodes}
    where = f" on {names[task.node_id]}" if task.node_id in names else ""
    return f"last{where}: {_one_line(task.status.err) or task.status.state}"


def _one_line(text: str) -> str:
    return " ".join(text.split())
