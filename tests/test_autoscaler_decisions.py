"""What the autoscaler's decisions say, also when nothing is done."""

from __future__ import annotations

import re

import pytest

from swarm_ext.scaling import Bounds
from tests.simulated_scaling import reasons, simulation


def test_every_evaluation_leaves_one_decision_with_its_own_id_and_a_reason() -> None:
    world = simulation()
    decisions = world.run(300, lambda now: 20 if now < 100 else 60)

    assert len(decisions) == 60
    assert [decision.id for decision in decisions[:2]] == ["web-000001", "web-000002"]
    assert len({decision.key for decision in decisions}) == 60
    assert all(decision.reason and "\n" not in decision.reason for decision in decisions)


def test_an_applied_decision_says_what_was_set_and_when() -> None:
    world = simulation(desired=1)
    applied = [decision for decision in world.run(60, 40) if decision.applied]

    first = applied[0]
    assert (first.before, first.desired, first.applied) == (1, 2, 2)
    assert first.applied_at == first.timestamp
    assert first.metric == "cpu utilisation"
    assert (first.value, first.target) == (pytest.approx(1.0, abs=0.05), 0.6)
    assert first.reason.startswith("scaling out 1 → 2: cpu utilisation at least 100 % (1 of 1 at the limit")


def test_before_there_are_samples_it_holds_and_says_so() -> None:
    world = simulation()
    world.samples_flow = False

    assert {decision.reason for decision in world.run(20, 100)} == {"held: no samples yet"}


def test_it_does_not_act_on_stale_samples() -> None:
    world = simulation()
    world.run(60, 20)
    world.samples_flow = False
    world.run(5, 200)
    decisions = world.run(60, 200)

    assert world.swarm.history == []
    assert {decision.reason for decision in decisions} == {
        "held: samples are stale (nothing new from 2 of 2 ready replicas)"
    }


def test_a_dry_run_decides_and_changes_nothing() -> None:
    world = simulation(desired=1, dry_run=True)
    decisions = world.run(60, 80)

    assert world.swarm.history == []
    assert re.search(r"dry run: would scale 1 → 2: cpu utilisation at least 100 %", reasons(decisions))
    assert {decision.applied for decision in decisions} == {None}
    assert decisions[-1].desired == 2


def test_the_bounds_are_kept_and_the_reason_names_them() -> None:
    world = simulation(bounds=Bounds(2, 4))
    up = world.run(120, 200)
    down = world.run(300, 1)

    assert {replicas for _, replicas in world.swarm.history} <= {2, 3, 4}
    assert "capped at --max-replicas 4 (wanted 7)" in reasons(up)
    assert world.swarm.desired == 2
    assert "kept at --min-replicas 2 (wanted 1)" in reasons(down)


def test_a_count_outside_the_bounds_is_moved_into_them_before_anything_was_measured() -> None:
    world = simulation(desired=6, bounds=Bounds(1, 4))
    decision = world.run(5, 20)[0]

    assert (decision.before, decision.applied) == (6, 4)
    assert decision.reason == "scaling in 6 → 4: capped at --max-replicas 4 (found 6)"
