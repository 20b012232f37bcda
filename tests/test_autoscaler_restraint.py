"""What the autoscaler stays away from: updates, switched-off scaling, others' changes, what cannot be placed."""

from __future__ import annotations

import re

from tests.simulated_scaling import plan, reasons, simulation
from tests.simulated_swarm import SimulatedSwarm, Simulation


def test_it_holds_while_the_service_is_being_updated() -> None:
    world = simulation()
    world.run(60, 20)
    world.swarm.update_state = "updating"
    during = world.run(60, 80)
    world.swarm.update_state = "completed"
    world.run(15, 80)

    assert {decision.reason for decision in during} == {"held: the service is being updated (updating)"}
    assert {decision.applied for decision in during} == {None}
    assert world.swarm.desired > 2


def test_a_service_with_no_replicas_is_one_whose_scaling_is_switched_off() -> None:
    world = simulation(desired=0)
    decisions = world.run(20, 0)

    assert {decision.reason.split(":")[0] for decision in decisions} == {"disabled"}
    assert world.swarm.history == []


def test_a_change_by_somebody_else_is_adopted_and_told() -> None:
    world = simulation()
    world.run(60, 20)
    world.swarm.scale("web", 5)
    decisions = world.run(60, 20)

    assert decisions[0].reason.startswith("adopted 5, set by somebody else (was 2); ")
    assert "adopted" not in reasons(decisions[1:])
    assert "less than 60 s have passed since somebody else changed it" in reasons(decisions)
    assert {decision.before for decision in decisions} == {5}


def test_two_scalers_at_one_service_are_noticed() -> None:
    world = simulation(desired=1)
    told = []
    for _ in range(6):
        told += world.run(20, 40)
        world.swarm.scale("web", 1)

    assert "adopted 1, set by somebody else (was" in reasons(told)
    assert re.search(
        r"3 such changes within \d+ s: two scalers may be fighting over this service", reasons(told)
    )


def test_its_own_change_is_not_taken_for_another_also_if_the_answer_was_lost() -> None:
    class ForgetfulSwarm(SimulatedSwarm):
        def scale(self, name: str, replicas: int) -> None:
            super().scale(name, replicas)
            raise ConnectionError("reset by peer")

    world = Simulation(ForgetfulSwarm(desired=1), plan(), seed=1)
    decisions = world.run(120, 40)

    assert "failed: 1 → 2 was refused (ConnectionError: reset by peer)" in reasons(decisions)
    assert "adopted" not in reasons(decisions)


def test_what_cannot_be_placed_is_not_asked_for_for_a_while() -> None:
    world = simulation()
    world.swarm.places = 3
    world.run(60, 20)
    decisions = world.run(60, 100)
    capped = decisions[-1]
    asked = [replicas for _, replicas in world.swarm.history]

    assert max(asked) > 3
    assert world.swarm.desired == 3
    assert (
        "the swarm cannot place more for now (no suitable node (insufficient resources on 1 node)"
        in capped.reason
    )
    assert world.run(60, 100)[-1].desired == 3

    world.swarm.places = 100
    world.run(180, 100)
    assert world.swarm.desired > 3
