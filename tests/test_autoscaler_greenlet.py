"""The autoscaler's greenlet: evaluations by the clock, one at a time, until it is stopped."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import gevent

from swarm_ext.scaling import Autoscaler, Clocks
from tests.simulated_scaling import plan
from tests.simulated_swarm import SimulatedSwarm

if TYPE_CHECKING:
    from swarm_ext.model import ScalingDecision, ServiceState


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
