"""What the doctor says of a service that is to be scaled."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from swarm_ext.doctor.decisions import LastDecision, judge_decision, last_decision
from swarm_ext.doctor.finding import from_error
from swarm_ext.doctor.service import judge_labels, judge_limit, judge_service, judge_tasks
from swarm_ext.model import Run, ScalingDecision, ServiceState, Task
from swarm_ext.swarm import SwarmError
from swarm_ext.swarm.docker_labels import ServiceLabels

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def service(**changes: Any) -> ServiceState:
    plain: dict[str, Any] = {
        "name": "web", "desired": 2, "running": 2, "ready": 2, "pending": 0, "update_state": None, "tasks": (),
        "cpu_limit_cores": 0.25, "cpu_reservation_cores": None, "memory_limit_bytes": None, "labels": {},
    }  # fmt: skip
    return ServiceState(**{**plain, **changes})


def task(error: str | None, state: Any = "pending") -> Task:
    return Task(
        id=f"{error}{state}", slot=1, node="", container_id=None, state=state, desired_state="running",
        ready=False, since=NOW, error=error,
    )  # fmt: skip


def labels(own: dict[str, str], container: dict[str, str] | None = None) -> ServiceLabels:
    return ServiceLabels(name="web", labels=own, container_labels=container or {})


def statuses(findings: list[Any]) -> list[str]:
    return [finding.status for finding in findings]


def test_a_service_with_a_limit_and_all_its_replicas_is_fine() -> None:
    assert statuses(judge_service(service())) == ["ok", "ok"]


@pytest.mark.parametrize(
    ("changes", "status", "remedy"),
    [
        ({"mode": "global"}, "wrong", "mode: replicated"),
        ({"desired": 0, "ready": 0}, "wrong", "docker service scale web=1"),
        ({"ready": 0}, "wrong", "docker service ps --no-trunc web"),
        ({"ready": 1}, "warning", "wait"),
    ],
)
def test_what_keeps_a_service_from_being_scaled_is_told(
    changes: dict[str, Any], status: str, remedy: str
) -> None:
    finding = judge_service(service(**changes))[0]
    assert finding.status == status
    assert finding.remedy is not None
    assert remedy in finding.remedy


def test_an_update_that_is_paused_is_told_with_the_two_ways_out() -> None:
    finding = judge_service(service(update_state="paused"))[-1]
    assert finding.status == "warning"
    assert finding.remedy is not None
    assert "docker service rollback web" in finding.remedy


def test_a_limit_or_else_a_reservation_makes_a_utilisation() -> None:
    assert judge_limit(service()).text == "0.25 cores a replica"
    assert (
        "of its reservation, 0.1 cores"
        in judge_limit(service(cpu_limit_cores=None, cpu_reservation_cores=0.1)).text
    )
    neither = judge_limit(service(cpu_limit_cores=None))
    assert neither.status == "wrong"
    assert neither.remedy is not None
    assert "docker service update --limit-cpu 0.5 web" in neither.remedy


def test_labels_on_the_service_are_told_as_bounds() -> None:
    (finding,) = judge_labels(labels({"swarm.autoscaler": "true", "swarm.autoscaler.maximum": "7"}))
    assert (finding.status, finding.text) == ("ok", "scaled between 1 and 7 replicas")


def test_labels_on_containers_are_in_the_wrong_place_and_the_command_that_moves_them_is_told() -> None:
    first, *_ = judge_labels(
        labels({}, {"swarm.autoscaler": "true", "swarm.autoscaler.maximum": "7", "x": "y"})
    )
    assert first.status == "wrong"
    assert first.remedy is not None
    assert (
        "`docker service update --label-add swarm.autoscaler=true --label-add swarm.autoscaler.maximum=7 web`"
        in first.remedy
    )


def test_labels_on_both_are_fine() -> None:
    both = {"swarm.autoscaler": "true"}
    assert statuses(judge_labels(labels(both, both))) == ["ok"]


@pytest.mark.parametrize(
    ("own", "status", "text"),
    [
        ({}, "warning", "not labelled swarm.autoscaler=true"),
        ({"swarm.autoscaler": "false"}, "warning", "is false"),
        ({"swarm.autoscaler": "yes"}, "wrong", "is 'yes', which is neither true nor false"),
        ({"swarm.autoscaler.maximum": "3"}, "warning", "not labelled swarm.autoscaler=true"),
        ({"swarm.autoscaler": "true", "swarm.autoscaler.minimum": "two"}, "wrong", "minimum is 'two'"),
        (
            {"swarm.autoscaler": "true", "swarm.autoscaler.minimum": "3", "swarm.autoscaler.maximum": "2"},
            "wrong", "maximum is 2, below service label swarm.autoscaler.minimum, which is 3",
        ),
        ({"swarm.autoscaler": "true", "swarm.autoscaler.minimum": "9"}, "wrong", "the default of --max-replicas is 4"),
    ],
)  # fmt: skip
def test_label_values_are_judged(own: dict[str, str], status: str, text: str) -> None:
    (finding,) = judge_labels(labels(own))
    assert finding.status == status
    assert text in finding.text
    assert finding.remedy


def test_a_label_that_means_nothing_is_told_with_those_that_do() -> None:
    strange, rest = judge_labels(labels({"swarm.autoscaler": "true", "swarm.autoscaler.max": "9"}))
    assert (strange.status, rest.status) == ("wrong", "ok")
    assert strange.remedy is not None
    assert "swarm.autoscaler.maximum" in strange.remedy


@pytest.mark.parametrize(
    ("error", "state", "remedy"),
    [
        ("no suitable node (insufficient resources on 3 nodes)", "pending", "lower deploy.resources.reservations"),
        ("no suitable node (scheduling constraints not satisfied on 1 node)", "pending", "WEB_CONSTRAINT"),
        ("no suitable node (unsupported platform on 3 nodes)", "pending", "deploy.placement"),
        ("No such image: web:9", "rejected", "push the image"),
        ("task: non-zero exit (1)", "failed", "docker service logs"),
        ("something new", "failed", "docker service ps --no-trunc web"),
    ],
)  # fmt: skip
def test_the_swarms_own_reason_is_told_with_what_to_do(error: str, state: Any, remedy: str) -> None:
    finding = judge_tasks(service(tasks=(task(error, state), task(None, "running"))))
    assert finding is not None
    assert finding.text == f"not running: 1, the swarm says: {error}"
    assert finding.remedy is not None
    assert remedy in finding.remedy


def test_tasks_that_run_are_no_finding() -> None:
    assert judge_tasks(service(tasks=(task(None, "running"), task("old news", "running")))) is None


# what was decided


def last(reason: str, seconds_ago: float = 3, status: Any = "running") -> LastDecision:
    run = Run(id="run", start=NOW, exit_status=status)
    decision = ScalingDecision(
        run_id="run", timestamp=NOW - timedelta(seconds=seconds_ago), id="web-1", service="web", applied_at=None,
        before=1, desired=1, applied=None, metric="", value=None, target=None, reason=reason,
    )  # fmt: skip
    return LastDecision(run, decision)


def test_the_last_decision_says_why_nothing_happens() -> None:
    fine = judge_decision("web", last("no change: cpu utilisation 58 %"), NOW)
    assert (fine.status, fine.text) == ("ok", "3 s ago, run run: no change: cpu utilisation 58 %")
    assert judge_decision("web", last("held: samples are stale"), NOW).status == "warning"
    assert judge_decision("web", None, NOW).status == "ok"


def test_an_autoscaler_that_fell_silent_is_told() -> None:
    silent = judge_decision("web", last("no change: …", seconds_ago=600), NOW)
    assert silent.status == "warning"
    assert "10 min ago" in silent.text
    assert judge_decision("web", last("no change: …", seconds_ago=600, status="finished"), NOW).status == "ok"


def test_a_store_that_is_not_there_has_no_decision_and_is_not_made(tmp_path: Any) -> None:
    assert last_decision(f"sqlite:///{tmp_path}/no.db", "web") is None
    assert not list(tmp_path.iterdir())


def test_an_error_of_ours_tells_what_and_what_to_do_about_it() -> None:
    finding = from_error("Docker", SwarmError("there is no such socket; start Docker"))
    assert (finding.text, finding.remedy) == ("there is no such socket", "start Docker")
