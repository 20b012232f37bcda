"""What the swarm cannot place is not asked for again at once."""

from __future__ import annotations

from datetime import UTC, datetime

from msgspec import structs

from swarm_ext.model import ServiceState, Task
from swarm_ext.scaling.placement import Cap, Placement
from tests.scaling_services import service

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def crowded(desired: int, pending: int, error: str | None = "no room") -> ServiceState:
    tasks = [
        Task(
            id=f"task{number}",
            slot=number,
            node="",
            container_id=None,
            state="pending" if number <= pending else "running",
            desired_state="running",
            ready=number > pending,
            since=NOW,
            error=error if number <= pending else None,
        )
        for number in range(1, desired + 1)
    ]
    return structs.replace(service(desired), tasks=tuple(tasks), running=desired - pending)


def test_a_task_that_waits_for_a_node_for_thirty_seconds_caps_the_service() -> None:
    placement = Placement()

    assert placement.see(crowded(5, pending=2), now=0) is None
    assert placement.see(crowded(5, pending=2), now=30) is None
    assert placement.see(crowded(5, pending=2), now=31) == Cap(3, "no room")


def test_each_pending_task_has_thirty_seconds_of_its_own() -> None:
    placement = Placement()
    placement.see(crowded(4, pending=1), now=0)
    placement.see(crowded(4, pending=0), now=25)

    assert placement.see(crowded(4, pending=1), now=31) is None


def test_the_cap_holds_for_two_minutes_and_rises_with_what_runs() -> None:
    placement = Placement()
    placement.see(crowded(5, pending=2, error=None), now=0)
    placement.see(crowded(5, pending=2, error=None), now=31)

    assert placement.see(crowded(3, pending=0), now=100) == Cap(3, "it gives no reason")
    assert placement.see(crowded(4, pending=0), now=150) == Cap(4, "it gives no reason")
    assert placement.see(crowded(4, pending=0), now=151) is None


def test_at_least_one_replica_is_asked_for_though_none_can_be_placed() -> None:
    placement = Placement()
    placement.see(crowded(2, pending=2), now=0)

    assert placement.see(crowded(2, pending=2), now=31) == Cap(1, "no room")
