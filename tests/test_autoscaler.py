"""The autoscaler against a simulated swarm: the whole loop, on a simulated clock."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from swarm_ext.scaling import TargetRate, TargetUtilisation, Threshold
from tests.simulated_scaling import reasons, simulation
from tests.simulated_swarm import START

if TYPE_CHECKING:
    from swarm_ext.scaling import Policy


def reversals(history: list[tuple[float, int]], first: int) -> int:
    counts = [first, *(replicas for _, replicas in history)]
    directions = [later > earlier for earlier, later in pairwise(counts)]
    return sum(later != earlier for earlier, later in pairwise(directions))


@pytest.mark.parametrize("seed", range(5))
def test_replicas_follow_a_step_of_the_load_up_and_down(seed: int) -> None:
    world = simulation(seed=seed)
    counts = []
    for seconds, rate in ((120, 20), (180, 80), (200, 20)):
        world.run(seconds, rate)
        counts.append(world.swarm.desired)

    assert counts == [2, 6, 2]
    assert world.swarm.history[0][0] <= 120 + 10
    assert max(replicas for _, replicas in world.swarm.history) <= 7


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("rate", [12.0, 20.0, 36.0, 85.0])
def test_at_constant_load_nothing_ever_changes_back(rate: float, seed: int) -> None:
    needed = int(rate / 15) + 1
    world = simulation(desired=needed, seed=seed)
    world.run(900, rate)

    assert world.swarm.history == []


@pytest.mark.parametrize(
    "policy", [TargetUtilisation(), Threshold(up=0.75, down=0.3), TargetRate(per_replica=15)]
)
def test_from_one_replica_every_policy_gets_to_a_load_and_stays(policy: Policy) -> None:
    world = simulation(policy, desired=1)
    world.run(240, 40)
    settled = world.swarm.desired
    world.run(600, 40)

    assert world.swarm.desired == settled
    assert 2 <= settled <= 4
    assert reversals(world.swarm.history, first=1) <= 1


@pytest.mark.parametrize("seed", range(5))
def test_scaling_in_with_a_short_stabilization_does_not_overshoot(seed: int) -> None:
    world = simulation(desired=6, seed=seed, scale_in_stabilization_seconds=10)
    world.run(60, 80)
    world.run(120, 20)

    assert min(replicas for _, replicas in world.swarm.history) == 2
    assert reversals(world.swarm.history, first=6) == 0


def test_scaling_in_waits_for_the_stabilization_window() -> None:
    world = simulation(desired=6)
    world.run(120, 80)
    decisions = world.run(90, 20)
    first_in = next(decision for decision in decisions if decision.applied is not None)
    waited = (first_in.timestamp - START).total_seconds() - 120

    assert 60 <= waited <= 75
    assert "scaling in waits: highest recommendation of the last 60 s is 6" in reasons(decisions)


def test_after_a_restart_it_waits_for_a_full_window_before_scaling_in() -> None:
    world = simulation(desired=6)
    world.run(30, 80)
    world.restart()
    began = world.swarm.now
    decisions = world.run(80, 10)

    assert world.swarm.history[0][0] - began >= 60
    assert "scaling in waits: less than 60 s have passed since scaling began (wanted 1)" in reasons(decisions)


def test_the_cpu_that_replicas_burn_while_starting_does_not_scale_further() -> None:
    world = simulation(desired=2, replica_warm_up_seconds=30.0)
    world.swarm.start_seconds = 1.0
    world.run(60, 20)
    burning = world.swarm.replicas[0]
    world.swarm.replace(slot=1)
    for _ in range(25):
        world.swarm.replicas[-1].cpu_seconds += 0.15
        world.run(1, 20)

    assert burning not in world.swarm.replicas
    assert world.swarm.history == []


def test_a_replica_that_is_told_to_stop_does_not_count_while_it_still_runs() -> None:
    world = simulation(desired=3)
    world.run(30, 20)
    world.swarm.scale("web", 1)
    world.autoscaler.container_samples(world.swarm.samples())
    decision = world.autoscaler.evaluate(world.swarm.now, world.utc)

    assert len(world.swarm.service("web").tasks) == 3
    assert "not measured" not in decision.reason
    assert decision.value == pytest.approx(20 * 0.01 / 3 / 0.25, rel=0.3)


def test_memory_is_bounded_by_the_window_however_long_it_runs() -> None:
    world = simulation(desired=3)
    world.run(200, 36)
    observer = world.autoscaler._observer
    early = len(observer._cpu), len(observer._load)
    world.run(2000, 36)

    assert (len(observer._cpu), len(observer._load)) == early


def test_scaling_needs_neither_locust_nor_a_store() -> None:
    program = "import sys, swarm_ext.scaling; print(*sorted(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()

    assert "swarm_ext.scaling.autoscaler" in loaded
    assert not {"locust", "swarm_ext.events", "swarm_ext.store", "docker", "pandas"} & set(loaded)
