"""Keeps as many replicas of the embedded swarm's one service running as were asked for, as a swarm manager does.

A task that ends unasked is replaced in its slot after a delay; one that is stopped finishes its requests first. Tasks
that have ended stay listed for a while, with their errors.
"""

from __future__ import annotations

import secrets
import string
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from swarm_ext.model import ServiceState, Task, TaskState
from swarm_ext.swarm.local_plan import exit_error, plan
from swarm_ext.swarm.local_replica import Replica, ServiceSpec

if TYPE_CHECKING:
    from collections.abc import Callable

NODE = "local"
"""The name and the id of the embedded swarm's one node."""

STOP_GRACE_SECONDS = 10.0
"""A task that was told to stop is killed after so long."""

RESTART_DELAY_SECONDS = 1.0
"""A task that ended unasked is replaced after so long."""

ENDED_TASKS_PER_SLOT = 5
"""How many tasks that have ended stay listed, newest first."""

KILL_SECONDS = 2.0
"""A killed process has ended after so long, or never will."""

_TASK_ID_ALPHABET = string.ascii_lowercase + string.digits
_WAIT_SECONDS = 0.02


@dataclass(slots=True, kw_only=True)
class SupervisedTask:
    """A task and, while it has one, its process. Times named `…_at` are on the monotonic clock."""

    id: str
    slot: int
    start_at: float
    state: TaskState
    desired_state: TaskState
    since: datetime
    replica: Replica | None = None
    container_id: str | None = None
    kill_at: float | None = None
    error: str | None = None

    @property
    def active(self) -> bool:
        """Whether it is meant to run, now or soon."""
        return self.desired_state in {"ready", "running"}

    @property
    def ended(self) -> bool:
        """Whether it has no process, and will not get one."""
        return not self.active and self.replica is None

    def enter(self, state: TaskState) -> None:
        """Enter another state, as of now."""
        self.state = state
        self.since = datetime.now(UTC)

    def as_record(self) -> Task:
        """Return what others may know of it."""
        return Task(
            id=self.id,
            slot=self.slot,
            node=NODE,
            container_id=self.container_id,
            state=self.state,
            desired_state=self.desired_state,
            ready=self.state == "running" and self.desired_state == "running",
            since=self.since,
            error=self.error,
        )


class Supervisor:
    """The tasks of one service. `step` has to be called several times a second; every method may be from any thread."""

    def __init__(
        self, spec: ServiceSpec, listen_fd: int, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.spec = spec
        self._listen_fd = listen_fd
        self._clock = clock
        self._desired = 0
        self._tasks: list[SupervisedTask] = []
        self._lock = threading.RLock()

    def scale(self, replicas: int) -> None:
        """Start what is missing, at once, and tell what is too many to stop."""
        with self._lock:
            self._desired = replicas
            active = {task.slot: task for task in self._tasks if task.active}
            todo = plan(replicas, active.keys())
            for slot in todo.stop:
                self._stop(active[slot])
            for slot in todo.start:
                self._add(slot, delay_seconds=0.0)
            self.step()

    def step(self) -> None:
        """See how the tasks are, and start, replace and kill what is due."""
        with self._lock:
            for task in list(self._tasks):
                if task.replica is not None:
                    self._look_after(task, task.replica)
                elif task.active and self._clock() >= task.start_at:
                    self._start(task)

    def state(self) -> ServiceState:
        """Return the service as it is now."""
        with self._lock:
            desired = self._desired
            tasks = tuple(task.as_record() for task in sorted(self._tasks, key=lambda task: task.slot))
        running = [task for task in tasks if task.desired_state == task.state == "running"]
        return ServiceState(
            name=self.spec.name,
            desired=desired,
            running=len(running),
            ready=sum(task.ready for task in running),
            pending=sum(task.desired_state in {"ready", "running"} for task in tasks) - len(running),
            update_state=None,
            tasks=tasks,
            cpu_limit_cores=self.spec.cpu_limit_cores,
            cpu_reservation_cores=None,
            memory_limit_bytes=None,
            labels={},
        )

    def processes(self) -> list[tuple[SupervisedTask, Replica]]:
        """Return every task that has a process now, with it."""
        with self._lock:
            return [(task, task.replica) for task in self._tasks if task.replica is not None]

    def close(self, grace_seconds: float) -> None:
        """Stop every task, kill what still runs after a grace, and wait until all have ended. Idempotent."""
        self.scale(0)
        self._step_until_ended(grace_seconds)
        for _, replica in self.processes():
            replica.kill()
        self._step_until_ended(KILL_SECONDS)

    def _step_until_ended(self, seconds: float) -> None:
        deadline = self._clock() + seconds
        while self.processes() and self._clock() < deadline:
            time.sleep(_WAIT_SECONDS)
            self.step()

    def _add(self, slot: int, *, delay_seconds: float) -> None:
        task_id = "".join(secrets.choice(_TASK_ID_ALPHABET) for _ in range(25))
        self._tasks.append(
            SupervisedTask(
                id=task_id,
                slot=slot,
                start_at=self._clock() + delay_seconds,
                state="ready",
                desired_state="ready",
                since=datetime.now(UTC),
            )
        )

    def _start(self, task: SupervisedTask) -> None:
        task.desired_state = "running"
        try:
            task.replica = Replica(self.spec, self._listen_fd)
        except OSError as error:
            self._replace(task, "rejected", f"cannot be started: {error.strerror}")
        else:
            task.container_id = task.replica.container_id
            task.enter("starting")

    def _stop(self, task: SupervisedTask) -> None:
        task.desired_state = "shutdown"
        if task.replica is None:
            self._retire(task, "shutdown")
        else:
            task.kill_at = self._clock() + STOP_GRACE_SECONDS
            task.replica.stop()

    def _look_after(self, task: SupervisedTask, replica: Replica) -> None:
        replica.refresh()
        code = replica.exit_code()
        if code is not None:
            task.replica = None
            replica.close()
            if task.active:
                self._replace(task, "failed" if code else "complete", exit_error(code))
            else:
                self._retire(task, "shutdown")
        elif task.kill_at is not None and self._clock() >= task.kill_at:
            task.kill_at = None
            task.error = f"killed: it did not stop within {STOP_GRACE_SECONDS:g} s"
            replica.kill()
        elif task.state == "starting" and replica.report.ready:
            task.enter("running")

    def _replace(self, task: SupervisedTask, state: TaskState, error: str | None) -> None:
        """Put another task in the slot of one that ended unasked."""
        task.desired_state = "shutdown"
        task.error = error
        self._retire(task, state)
        self._add(task.slot, delay_seconds=RESTART_DELAY_SECONDS)

    def _retire(self, task: SupervisedTask, state: TaskState) -> None:
        """List a task among those of its slot that have ended, and forget the oldest of them."""
        task.enter(state)
        ended = [other for other in self._tasks if other.slot == task.slot and other.ended]
        for old in sorted(ended, key=lambda other: other.since)[:-ENDED_TASKS_PER_SLOT]:
            self._tasks.remove(old)
