"""The autoscaler against a simulated swarm: the whole loop, on a simulated clock."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
import time
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import gevent
import pytest

from swarm_ext.scaling import (
    Autoscaler,
    Bounds,
    Clocks,
    Observation,
    Recommendation,
    ScalingPlan,
    TargetRate,
    TargetUtilisation,
    Threshold,
)
from tests.simulated_swarm import START, SimulatedSwarm, Simulation

if TYPE_CHECKING:
    from swarm_ext.model import ScalingDecision, ServiceState
    from swarm_ext.scaling import Policy

# One arrival costs 10 ms of CPU and a replica may use 0.25 cores, so at the target of 60 % it bears 15 arrivals/s.


def plan(policy: Policy | None = None, bounds: Bounds | None = None, **settings: Any) -> ScalingPlan:
    return ScalingPlan(
        service="web",
        policy=policy or TargetUtilisation(),
        bounds=bounds or Bounds(1, 12),
        **{"replica_warm_up_seconds": 3.0, **settings},
    )


def simulation(policy: Policy | None = None, desired: int = 2, seed: int = 1, **settings: Any) -> Simulation:
    return Simulation(SimulatedSwarm(desired=desired), plan(policy, **settings), seed=seed)


def reversals(history: list[tuple[float, int]], first: int) -> int:
    counts = [first, *(replicas for _, replicas in history)]
    directions = [later > earlier for earlier, later in pairwise(counts)]
    return sum(later != earlier for earlier, later in pairwise(directions))


def reasons(decisions: list[ScalingDecision]) -> str:
    return "\n".join(decision.reason for decision in decisions)


# The loop, closed


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


# What a decision says


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


# What it stays away from


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


# What fails


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


# The greenlet


def wait_until(condition: Any) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it did not happen within 20 s"
        gevent.sleep(0.005)


def test_it_evaluates_by_itself_until_it_is_stopped() -> None:
    decisions: list[ScalingDecision] = []
    autoscaler = Autoscaler(
        SimulatedSwarm(), plan(interval_seconds=0.01), run_id="run", on_decision=decisions.append
    )
    autoscaler.start()
    wait_until(lambda: len(decisions) >= 3)
    autoscaler.stop()
    made = len(decisions)
    gevent.sleep(0.05)

    assert len(decisions) == made
    autoscaler.stop()


def test_evaluations_never_overlap_however_often_it_is_started() -> None:
    class SlowSwarm(SimulatedSwarm):
        at_once = 0
        most_at_once = 0
        asked = 0

        def service(self, name: str) -> ServiceState:
            self.asked += 1
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            gevent.sleep(0.02)
            self.at_once -= 1
            return super().service(name)

    swarm = SlowSwarm()
    autoscaler = Autoscaler(
        swarm, plan(interval_seconds=0.01), run_id="run", on_decision=lambda decision: None
    )
    autoscaler.start()
    autoscaler.start()
    wait_until(lambda: swarm.asked >= 4)
    autoscaler.stop()

    assert swarm.most_at_once == 1


def test_evaluations_that_were_missed_are_not_made_up_for() -> None:
    class Suspended(SimulatedSwarm):
        lost_seconds = 0.0

        def service(self, name: str) -> ServiceState:
            self.lost_seconds = 60.0
            return super().service(name)

    swarm = Suspended()
    evaluated_at: list[float] = []
    clocks = Clocks(monotonic=lambda: time.monotonic() + swarm.lost_seconds)
    autoscaler = Autoscaler(
        swarm,
        plan(interval_seconds=0.05),
        run_id="run",
        on_decision=lambda decision: evaluated_at.append(time.monotonic()),
        clocks=clocks,
    )
    autoscaler.start()
    wait_until(lambda: len(evaluated_at) >= 5)
    autoscaler.stop()

    assert evaluated_at[4] - evaluated_at[1] > 2 * 0.05


def test_a_swarm_that_never_answers_does_not_keep_it_from_stopping() -> None:
    class DeafSwarm(SimulatedSwarm):
        asked = False

        def service(self, name: str) -> ServiceState:
            self.asked = True
            gevent.sleep(3600)
            return super().service(name)

    swarm = DeafSwarm()
    autoscaler = Autoscaler(
        swarm, plan(interval_seconds=0.01), run_id="run", on_decision=lambda decision: None
    )
    autoscaler.start()
    wait_until(lambda: swarm.asked)
    autoscaler.stop(timeout_seconds=0.01)

    assert autoscaler._greenlet is not None
    assert autoscaler._greenlet.dead


def test_a_listener_may_stop_it() -> None:
    decisions: list[ScalingDecision] = []

    def stop(decision: ScalingDecision) -> None:
        autoscaler.stop()
        decisions.append(decision)

    autoscaler = Autoscaler(SimulatedSwarm(), plan(interval_seconds=0.01), run_id="run", on_decision=stop)
    autoscaler.start()
    wait_until(lambda: autoscaler._greenlet is not None and autoscaler._greenlet.dead)

    assert len(decisions) == 1
    assert autoscaler.troubles() == []


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
