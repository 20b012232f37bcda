"""What to scale, by which rule, within which bounds, and how often."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from swarm_ext.errors import UserError

if TYPE_CHECKING:
    from swarm_ext.scaling.bounds import Bounds
    from swarm_ext.scaling.policies import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalingPlan:
    """Everything an Autoscaler is told. The defaults neither flap nor stall during a run; raises UserError.

    `scale_in_stabilization_seconds`: a service that runs for long is better served with 300. `replica_warm_up_seconds`:
    how long a replica burns CPU for itself after its start. `stale_after_seconds`: how long the newest sample may stay the
    newest; with a sample interval above 1.5 s, give three intervals. `dry_run`: decide and tell, change nothing.
    """

    service: str
    policy: Policy
    bounds: Bounds
    interval_seconds: float = 5.0
    window_seconds: float = 15.0
    scale_in_stabilization_seconds: float = 60.0
    replica_warm_up_seconds: float = 30.0
    stale_after_seconds: float = 5.0
    dry_run: bool = False

    def __post_init__(self) -> None:
        for name in ("interval_seconds", "window_seconds", "stale_after_seconds"):
            seconds = getattr(self, name)
            if not (math.isfinite(seconds) and seconds > 0):
                raise UserError(
                    f"{name} is {seconds!r}; it must be a number of seconds above 0, for example 5"
                )
        for name in ("scale_in_stabilization_seconds", "replica_warm_up_seconds"):
            seconds = getattr(self, name)
            if not (math.isfinite(seconds) and seconds >= 0):
                raise UserError(f"{name} is {seconds!r}; it must be a number of seconds, 0 for none")
