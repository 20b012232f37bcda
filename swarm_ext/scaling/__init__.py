"""Scaling: policies that say how many replicas a service needs, and the Autoscaler that acts on what they say.

    plan = ScalingPlan(service="web", policy=TargetUtilisation(0.6), bounds=Bounds(1, 4))
    plan.policy.check(swarm.service("web"))
    autoscaler = Autoscaler(swarm, plan, run_id=run.id, on_decision=print)
    autoscaler.start()

Policies are pure and know nothing of time; `observer` makes what they see, `decision` bounds what they say.
"""

from swarm_ext.scaling.autoscaler import Autoscaler, Clocks
from swarm_ext.scaling.bounds import Bounds, bounds_from
from swarm_ext.scaling.noise import noise_warning
from swarm_ext.scaling.observation import ArrivalRate, Observation, ReplicaUse
from swarm_ext.scaling.plan import ScalingPlan
from swarm_ext.scaling.policies import Policy, Recommendation, TargetRate, TargetUtilisation, Threshold

__all__ = [
    "ArrivalRate",
    "Autoscaler",
    "Bounds",
    "Clocks",
    "Observation",
    "Policy",
    "Recommendation",
    "ReplicaUse",
    "ScalingPlan",
    "TargetRate",
    "TargetUtilisation",
    "Threshold",
    "bounds_from",
    "noise_warning",
]
