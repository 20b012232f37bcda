"""Which replicas count, and since when: those that should run and do, are healthy, and have warmed up."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from swarm_ext.model import Task


@dataclass(slots=True)
class _Life:
    """A running task, in our monotonic seconds. `healthy_since` is None while it is not healthy."""

    running_since: float
    healthy_since: float | None


class Roster:
    """Follows a service's tasks from one state to the next.

    Ages are counted on our monotonic clock from the first sight of a task that runs. Only for the tasks of the very
    first state is the swarm's own `since` believed, for lack of anything else; later its clock does not matter.
    """

    def __init__(self, warm_up_seconds: float, settle_seconds: float) -> None:
        self._warm_up = warm_up_seconds
        self._settle = settle_seconds
        self._lives: dict[str, _Life] = {}
        self._left_at = -math.inf
        self._is_first = True

    def see(self, tasks: Sequence[Task], now: float, utc: datetime) -> None:
        """Take in a state that was read at `now` (monotonic [s]), `utc` on the wall."""
        serving = {task.id for task in tasks if counts(task) and task.ready}
        if any(
            self._counted_since(life, now) is not None
            for key, life in self._lives.items()
            if key not in serving
        ):
            self._left_at = now
        running = {task.id: task for task in tasks if counts(task)}
        self._lives = {key: life for key, life in self._lives.items() if key in running}
        for task in running.values():
            begun = now
            if self._is_first:
                begun -= max(0.0, (utc - task.since).total_seconds())
            life = self._lives.setdefault(task.id, _Life(begun, None))
            if not task.ready:
                life.healthy_since = None
            elif life.healthy_since is None:
                life.healthy_since = begun
        self._is_first = False

    def is_counted(self, task: Task, now: float) -> bool:
        """Return whether a task is warm, and has been for long enough to be measured."""
        life = self._lives.get(task.id)
        return life is not None and self._counted_since(life, now) is not None

    def undisturbed_since(self, now: float) -> float:
        """Return since when (monotonic [s]; -inf: always) the same replicas have been sharing the load."""
        counted = (self._counted_since(life, now) for life in self._lives.values())
        return max([self._left_at, *(since for since in counted if since is not None)])

    def _counted_since(self, life: _Life, now: float) -> float | None:
        if life.healthy_since is None:
            return None
        warm_at = max(life.running_since + self._warm_up, life.healthy_since)
        return warm_at if now - warm_at >= self._settle else None


def counts(task: Task) -> bool:
    """Return whether a task runs and should: one in its stop grace still burns CPU, and does not count."""
    return task.state == "running" and task.desired_state == "running"
