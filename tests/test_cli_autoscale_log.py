"""Which decisions an autoscaler that goes on for weeks puts into its log."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

import pytest

from swarm_ext.model import ScalingDecision
from swarm_ext.without_load.decision_log import DecisionLog, kind_of


def decision(reason: str, service: str = "web", applied: int | None = None) -> ScalingDecision:
    return ScalingDecision(
        run_id="run",
        timestamp=datetime(2026, 1, 1, tzinfo=UTC),
        id=reason,
        service=service,
        applied_at=None,
        before=1,
        desired=1,
        applied=applied,
        metric="cpu utilisation",
        value=None,
        target=None,
        reason=reason,
    )


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("no change: cpu utilisation 58 % is within 10 % of the target 60 %", "no change"),
        ("held: no samples yet", "held"),
        ("scaling in waits: highest recommendation of the last 60 s is 3 (wanted 1)", "scaling in waits"),
        ("capped at --max-replicas 4 (wanted 6); cpu utilisation 90 %", "capped at --max-replicas"),
        ("dry run: would scale 1 → 2: …", "dry run"),
        ("adopted 3, set by somebody else (was 1); held: no samples yet", "adopted"),
    ],
)
def test_a_reasons_kind_is_what_it_begins_with(reason: str, kind: str) -> None:
    assert kind_of(reason) == kind


def logged(caplog: pytest.LogCaptureFixture, *decisions: ScalingDecision, every: bool = False) -> list[str]:
    caplog.set_level(logging.INFO)
    log = DecisionLog(every=every)
    for each in decisions:
        log.add(each)
    return [record.getMessage() for record in caplog.records]


def test_only_a_decision_of_another_kind_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    lines = logged(
        caplog,
        decision("held: no samples yet"),
        decision("no change: cpu utilisation 10 % is below"),
        decision("no change: cpu utilisation 12 % is below"),
        decision("held: samples are stale"),
    )
    assert lines == [
        "web at 1: held: no samples yet",
        "web at 1: no change: cpu utilisation 10 % is below",
        "web at 1: held: samples are stale",
    ]


def test_each_service_has_its_own_last_kind(caplog: pytest.LogCaptureFixture) -> None:
    assert len(logged(caplog, decision("held: x"), decision("held: x", "api"), decision("held: y"))) == 2


def test_verbose_logs_every_one(caplog: pytest.LogCaptureFixture) -> None:
    assert len(logged(caplog, decision("held: x"), decision("held: x"), every=True)) == 2


def test_a_change_that_was_made_is_the_autoscalers_to_tell(caplog: pytest.LogCaptureFixture) -> None:
    lines = logged(caplog, decision("scaling out 1 → 2: …", applied=2), decision("no change: …"), every=True)
    assert lines == ["web at 1: no change: …"]
