"""What the tests of the autoscaler share: a plan, and a simulated swarm under it.

One arrival costs 10 ms of CPU and a replica may use 0.25 cores, so at the target of 60 % it bears 15 arrivals/s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from swarm_ext.scaling import Bounds, ScalingPlan, TargetUtilisation
from tests.simulated_swarm import SimulatedSwarm, Simulation

if TYPE_CHECKING:
    from swarm_ext.model import ScalingDecision
    from swarm_ext.scaling import Policy


def plan(policy: Policy | None = None, bounds: Bounds | None = None, **settings: Any) -> ScalingPlan:
    return ScalingPlan(
        service="web",
        policy=policy or TargetUtilisation(),
        bounds=bounds or Bounds(1, 12),
        **{"replica_warm_up_seconds": 3.0, **settings},
    )


def simulation(policy: Policy | None = None, desired: int = 2, seed: int = 1, **settings: Any) -> Simulation:
    return Simulation(SimulatedSwarm(desired=desired), plan(policy, **settings), seed=seed)


def reasons(decisions: list[ScalingDecision]) -> str:
    return "\n".join(decision.reason for decision in decisions)
