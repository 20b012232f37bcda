"""From a run's settings to what the autoscaler shall do. Pure, but for UserError where the two do not fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swarm_ext.errors import UserError
from swarm_ext.scaling import Bounds, ScalingPlan, TargetRate, TargetUtilisation, Threshold, bounds_from

if TYPE_CHECKING:
    from swarm_ext.model import ServiceState
    from swarm_ext.scaling import Policy
    from swarm_ext.settings import Settings

DEFAULT_BOUNDS = Bounds(1, 4)
DOCKER_WARM_UP_SECONDS = 30.0
LOCAL_WARM_UP_SECONDS = 3.0
"""Beyond its start-up burst, an embedded replica needs no more than this."""


def plan(chosen: Settings, service: ServiceState | None) -> ScalingPlan | None:
    """Return the plan, checked against the service; None without autoscaling. Raise UserError if it cannot work."""
    if service is None or chosen.autoscale == "off":
        return None
    if service.mode == "global":
        raise UserError(
            f"--autoscale {chosen.autoscale}: service {service.name} is global, one task for each node; only a "
            "replicated service can be scaled"
        )
    policy = _policy(chosen)
    policy.check(service)
    return ScalingPlan(
        service=service.name,
        policy=policy,
        bounds=bounds_from(chosen.min_replicas, chosen.max_replicas, service.labels, DEFAULT_BOUNDS),
        interval_seconds=chosen.autoscale_interval,
        window_seconds=chosen.autoscale_window,
        scale_in_stabilization_seconds=chosen.scale_in_stabilization,
        replica_warm_up_seconds=_warm_up(chosen),
        stale_after_seconds=max(5.0, 3 * chosen.sample_interval),
        dry_run=chosen.dry_run,
    )


def _policy(chosen: Settings) -> Policy:
    if chosen.autoscale == "target-rate":
        assert chosen.target is not None  # noqa: S101 - for the type checker: the settings' rules see to it
        return TargetRate(chosen.target)
    if chosen.autoscale == "threshold":
        return Threshold(up=chosen.target or 0.8, down=chosen.scale_in_below or 0.3)
    return TargetUtilisation(target=chosen.target or 0.6, target_cores=chosen.target_cores)


def _warm_up(chosen: Settings) -> float:
    if chosen.replica_warm_up is not None:
        return chosen.replica_warm_up
    return (
        chosen.local_startup_seconds + LOCAL_WARM_UP_SECONDS
        if chosen.swarm == "local"
        else DOCKER_WARM_UP_SECONDS
    )
