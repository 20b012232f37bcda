"""What fails around the autoscaler is told, counted and survived."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from swarm_ext.scaling import Autoscaler, Observation, Recommendation
from tests.simulated_scaling import plan, simulation
from tests.simulated_swarm import START, SimulatedSwarm

if TYPE_CHECKING:
    import pytest

    from swarm_ext.model import ScalingDecision, ServiceState


def test_a_swarm_that_fails_is_told_counted_logged_once_and_survived(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = simulation()
    world.run(30, 20)
    world.swarm.broken = True
    with caplog.at_level(logging.INFO, logger="swarm_ext.scaling"):
        failed = world.run(30, 80)
        world.swarm.broken = False
        world.run(15, 80)

    assert {decision.reason for decision in failed} == {
        "failed: asked the manager for web: connection refused"
    }
    assert {(decision.before, decision.desired, decision.applied) for decision in failed} == {(2, 2, None)}
    assert [(trouble.source, trouble.count) for trouble in world.autoscaler.troubles()] == [("autoscaler", 6)]
    assert caplog.text.count("autoscaler: asked the manager for web: connection refused") == 1
    assert "autoscaler: works again" in caplog.text
    assert world.swarm.desired > 2


def test_a_swarm_that_refuses_leaves_a_decision_without_an_application() -> None:
    world = simulation(desired=1)
    world.swarm.refuses = True
    decision = world.run(30, 40)[-1]

    assert decision.reason.startswith(
        "failed: 1 → 2 was refused (scale web: update out of sequence): cpu utilisation"
    )
    assert (decision.desired, decision.applied, decision.applied_at) == (2, None, None)
    assert world.autoscaler.troubles()[0].message == "scale web: update out of sequence"
    world.swarm.refuses = False
    world.run(5, 40)
    assert world.swarm.desired == 2


def test_a_policy_with_a_bug_does_not_end_the_load() -> None:
    class Buggy:
        metric = "guesses"

        def check(self, service: ServiceState) -> None: ...

        def recommend(self, seen: Observation, service: ServiceState) -> Recommendation:
            raise ZeroDivisionError("division by zero")

    world = simulation(Buggy())
    decision = world.run(5, 20)[0]

    assert decision.reason == "failed: ZeroDivisionError: division by zero"
    assert decision.before == decision.desired == 2


def test_a_listener_that_raises_is_counted_and_scaling_goes_on() -> None:
    def refuse(decision: ScalingDecision) -> None:
        raise OSError("disk full")

    autoscaler = Autoscaler(SimulatedSwarm(), plan(), run_id="run", on_decision=refuse)
    decisions = [autoscaler.evaluate(float(now), START + timedelta(seconds=now)) for now in (5, 10)]

    assert [decision.reason for decision in decisions] == ["held: no samples yet"] * 2
    assert [(trouble.count, trouble.message) for trouble in autoscaler.troubles()] == [
        (2, "OSError: disk full")
    ]
