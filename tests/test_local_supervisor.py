"""The supervisor with real replicas and a clock that the tests turn."""

import os
import signal
import socket
from collections.abc import Callable, Iterator

import psutil
import pytest

from swarm_ext.model import Task
from swarm_ext.swarm.local_replica import ServiceSpec
from swarm_ext.swarm.local_supervisor import (
    ENDED_TASKS_PER_SLOT,
    RESTART_DELAY_SECONDS,
    STOP_GRACE_SECONDS,
    Supervisor,
)
from tests.embedded_swarm import wait_until
from tests.integration.bed.frozen import freeze

SPEC = ServiceSpec(name="web", cpu_limit_cores=None, concurrency=4, startup_seconds=0.0, number=97)


class Hand:
    """A clock that stands until it is turned."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Hand:
    return Hand()


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock


@pytest.fixture
def supervisor(clock: Hand, listener: socket.socket) -> Iterator[Supervisor]:
    made = Supervisor(SPEC, listener.fileno(), clock=clock)
    yield made
    made.close(grace_seconds=0)


def wait_for(
    supervisor: Supervisor, condition: Callable[[tuple[Task, ...]], object], what: str
) -> tuple[Task, ...]:
    def holds() -> object:
        supervisor.step()
        return condition(supervisor.state().tasks)

    wait_until(holds, what)
    return supervisor.state().tasks


def all_running(tasks: tuple[Task, ...]) -> bool:
    return all(task.state == "running" for task in tasks)


def pid(supervisor: Supervisor, slot: int) -> int:
    (replica,) = [replica for task, replica in supervisor.processes() if task.slot == slot]
    return replica.pid


def test_a_task_starts_and_runs_when_its_replica_is_ready(supervisor: Supervisor) -> None:
    supervisor.scale(2)
    state = supervisor.state()
    assert [(task.slot, task.state, task.ready) for task in state.tasks] == [
        (1, "starting", False),
        (2, "starting", False),
    ]
    assert (state.desired, state.running, state.ready, state.pending) == (2, 0, 0, 2)
    wait_for(supervisor, all_running, "two running tasks")
    state = supervisor.state()
    assert (state.desired, state.running, state.ready, state.pending) == (2, 2, 2, 0)


def test_a_task_that_does_not_stop_is_killed_after_its_grace(supervisor: Supervisor, clock: Hand) -> None:
    supervisor.scale(1)
    wait_for(supervisor, all_running, "a running task")
    freeze(pid(supervisor, 1))
    supervisor.scale(0)
    clock.now += STOP_GRACE_SECONDS - 0.1
    supervisor.step()
    assert psutil.pid_exists(pid(supervisor, 1))
    clock.now += 0.2
    (task,) = wait_for(supervisor, lambda tasks: tasks[0].state == "shutdown", "its end")
    assert task.error == "killed: it did not stop within 10 s"


def test_a_crashed_task_is_replaced_after_a_delay_and_not_before(supervisor: Supervisor, clock: Hand) -> None:
    supervisor.scale(1)
    os.kill(pid(supervisor, 1), signal.SIGKILL)
    old, new = wait_for(supervisor, lambda tasks: len(tasks) == 2, "a replacement")
    assert (old.state, old.desired_state, old.error) == ("failed", "shutdown", "killed by signal 9 (SIGKILL)")
    assert (new.state, new.desired_state, new.container_id) == ("ready", "ready", None)
    assert (supervisor.state().running, supervisor.state().pending) == (0, 1)
    clock.now += RESTART_DELAY_SECONDS - 0.1
    supervisor.step()
    assert supervisor.processes() == []
    clock.now += 0.2
    supervisor.step()
    wait_for(supervisor, lambda tasks: tasks[1].state == "running", "the replacement running")


def test_a_task_that_waits_for_its_start_is_stopped_without_one(supervisor: Supervisor, clock: Hand) -> None:
    supervisor.scale(1)
    os.kill(pid(supervisor, 1), signal.SIGKILL)
    wait_for(supervisor, lambda tasks: len(tasks) == 2, "a replacement")
    supervisor.scale(0)
    clock.now += 2 * RESTART_DELAY_SECONDS
    supervisor.step()
    assert supervisor.processes() == []
    assert [task.state for task in supervisor.state().tasks] == ["failed", "shutdown"]


def test_a_replica_that_cannot_be_started_is_rejected_with_the_reason(clock: Hand) -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        gone = sock.fileno()
    supervisor = Supervisor(SPEC, gone, clock=clock)
    supervisor.scale(1)
    tasks = wait_for(supervisor, lambda tasks: len(tasks) == 2, "a replacement")
    assert tasks[0].state in {"rejected", "failed"}
    assert tasks[0].error
    supervisor.close(grace_seconds=0)


def test_only_the_newest_ended_tasks_of_a_slot_stay_listed(supervisor: Supervisor, clock: Hand) -> None:
    ids = []
    for _ in range(ENDED_TASKS_PER_SLOT + 2):
        supervisor.scale(2)
        ids.append(
            next(
                task.id
                for task in supervisor.state().tasks
                if task.slot == 2 and task.desired_state == "running"
            )
        )
        os.kill(pid(supervisor, 2), signal.SIGKILL)
        supervisor.scale(1)
        wait_for(supervisor, lambda _: len(supervisor.processes()) == 1, "the end of slot 2")
    assert [task.id for task in supervisor.state().tasks if task.slot == 2] == ids[-ENDED_TASKS_PER_SLOT:]


def test_closing_ends_every_replica(supervisor: Supervisor) -> None:
    supervisor.scale(3)
    pids = [replica.pid for _, replica in supervisor.processes()]
    assert len(pids) == 3
    supervisor.close(grace_seconds=0)
    assert not any(psutil.pid_exists(number) for number in pids)
