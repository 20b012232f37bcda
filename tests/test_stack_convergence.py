"""Whether a deployed stack is there yet, or will never be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from swarm_ext.stack.convergence import (
    MOST_FAILURES,
    PLACEMENT_PATIENCE_SECONDS,
    Convergence,
    progress_of,
    unfinished,
)
from tests.stack_looks import node, service, stack, task

if TYPE_CHECKING:
    from swarm_ext.stack.snapshot import Stack, StackService, StackTask
    from swarm_ext.swarm.docker_wire import WireNode

NO_NODE = "no suitable node (insufficient resources on 2 nodes)"
EMPTY = stack([], [])


def told(*services: StackService, tasks: list[StackTask], nodes: list[WireNode] | None = None) -> str:
    return ", ".join(map(str, progress_of(stack(list(services), tasks, nodes))))


def test_a_service_is_there_when_as_many_tasks_run_as_it_has_replicas() -> None:
    web = service("web", replicas=2)
    assert told(web, tasks=[]) == "web 0/2"
    assert told(web, tasks=[task("web", 1), task("web", 2, state="starting")]) == "web 1/2"
    seen = stack([web], [task("web", 1), task("web", 2)])
    assert [progress.done for progress in progress_of(seen)] == [True]


def test_a_task_that_runs_what_was_asked_for_before_does_not_count() -> None:
    assert told(service("web", image="image:2"), tasks=[task("web", image="image:1")]) == "web 0/1"


def test_a_task_that_is_to_end_does_not_count() -> None:
    assert told(service("web"), tasks=[task("web", desired="shutdown")]) == "web 0/1"


def test_a_service_is_not_there_while_its_update_is_being_watched() -> None:
    updating = stack([service("web", update=("updating", "update in progress"))], [task("web")])
    assert str(progress_of(updating)[0]) == "web 1/1 (updating)"
    assert not progress_of(updating)[0].done


def test_a_global_service_without_tasks_yet_waits_for_every_usable_node() -> None:
    nodes = [
        node("n1", manager=True),
        node("n22"),
        node("n333", state="down"),
        node("n4444", availability="drain"),
    ]
    watch = service("cadvisor", replicas=None)
    assert told(watch, tasks=[], nodes=nodes) == "cadvisor 0/2"
    assert told(watch, tasks=[task("cadvisor", None, node="n1")], nodes=nodes) == "cadvisor 1/1"


def test_a_service_of_no_replicas_is_there_at_once() -> None:
    assert progress_of(stack([service("web", replicas=0)], []))[0].done


def test_a_task_that_cannot_be_placed_is_given_a_while_and_then_told_in_the_swarms_own_words() -> None:
    convergence = Convergence(EMPTY)
    seen = stack([service("web")], [task("web", state="pending", error=NO_NODE)])
    assert convergence.hopeless(seen, 100.0) is None
    assert convergence.hopeless(seen, 99.9 + PLACEMENT_PATIENCE_SECONDS) is None
    assert (
        convergence.hopeless(seen, 100.0 + PLACEMENT_PATIENCE_SECONDS)
        == f"shop_web: 1 task cannot be placed, the swarm says: {NO_NODE}"
    )


def test_a_task_that_was_placed_in_the_end_starts_the_patience_anew() -> None:
    convergence = Convergence(EMPTY)
    waiting = stack([service("web")], [task("web", state="pending", error=NO_NODE)])
    convergence.hopeless(waiting, 0.0)
    convergence.hopeless(stack([service("web")], [task("web", state="preparing")]), 10.0)
    assert convergence.hopeless(waiting, 20.0) is None
    assert convergence.hopeless(waiting, 20.0 + PLACEMENT_PATIENCE_SECONDS) is not None


def test_a_task_that_waits_without_a_reason_only_waits() -> None:
    convergence = Convergence(EMPTY)
    seen = stack([service("web")], [task("web", state="pending")])
    convergence.hopeless(seen, 0.0)
    assert convergence.hopeless(seen, 1000.0) is None


def failures(count: int, *, first: int = 0) -> list[StackTask]:
    return [
        task("web", id=f"failed-{n}", state="rejected", desired="shutdown", node="n22", second=n, error=f"No such image: {n}")
        for n in range(first, first + count)
    ]  # fmt: skip


def test_tasks_that_end_again_and_again_are_told_with_the_last_ones_reason() -> None:
    convergence = Convergence(EMPTY)
    assert convergence.hopeless(stack([service("web")], failures(MOST_FAILURES - 1)), 0.0) is None
    assert (
        convergence.hopeless(stack([service("web")], failures(MOST_FAILURES)), 0.0)
        == f"shop_web: its tasks end again and again, last on n22: No such image: {MOST_FAILURES - 1}"
    )


def test_failures_from_before_the_deployment_do_not_count() -> None:
    old = failures(MOST_FAILURES)
    convergence = Convergence(stack([service("web")], old))
    assert convergence.hopeless(stack([service("web")], old + failures(1, first=10)), 0.0) is None


def test_failures_of_a_service_that_runs_after_all_do_not_count() -> None:
    seen = stack([service("web")], [*failures(MOST_FAILURES), task("web")])
    assert Convergence(EMPTY).hopeless(seen, 0.0) is None


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("rollback_completed", "was rolled back"),
        ("paused", "is paused"),
        ("rollback_paused", "is paused"),
    ],
)
def test_an_update_that_failed_is_told(state: str, words: str) -> None:
    seen = stack([service("web", update=(state, "task 3 failed"))], [task("web")])
    assert Convergence(EMPTY).hopeless(seen, 0.0) == f"shop_web: the update {words}: task 3 failed"


def test_an_update_that_had_failed_before_the_deployment_is_not_its_failure() -> None:
    seen = stack([service("web", update=("rollback_completed", "task 3 failed"))], [task("web")])
    assert Convergence(seen).hopeless(seen, 0.0) is None


def test_what_is_missing_at_the_end_is_told_with_states_and_reasons() -> None:
    seen = stack(
        [service("mongo"), service("visualizer"), service("web", replicas=3)],
        [
            task("mongo", state="preparing"),
            task("visualizer"),
            task("web", 1, state="starting"),
            task("web", 1, state="failed", desired="shutdown", node="n1", error="task: non-zero exit (1)"),
            task("web", 2, state="pending", error=NO_NODE),
        ],
    )
    assert unfinished(seen) == (
        f"shop_web: 1 task cannot be placed, the swarm says: {NO_NODE}; "
        "mongo 0/1; tasks are preparing; "
        "web 0/3; tasks are pending, starting, last on n1: task: non-zero exit (1)"
    )


def test_nothing_is_told_of_a_stack_that_is_complete() -> None:
    complete: Stack = stack([service("web")], [task("web")])
    assert unfinished(complete) == ""
