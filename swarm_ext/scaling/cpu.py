"""What the CPU of the measured replicas says: their usage against a limit, and where it says nothing."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from swarm_ext.model import ServiceState
    from swarm_ext.scaling.observation import Observation

AT_LIMIT = 0.95
"""From this share of its CPU limit on, a replica's demand is unknown: it may want any amount more."""

HEAVY_THROTTLING = 0.75
"""Throttled share of the time from which demand is unknown. In ordinary operation a single-threaded replica at limit L
and utilisation u is throttled u·(1 - L) of the time, so that a lower threshold would tell of small limits only."""


def base_cores(service: ServiceState) -> float | None:
    """Return the cores that count as 100 %: the limit of one replica, or its reservation; None without either."""
    return service.cpu_limit_cores or service.cpu_reservation_cores or None


def usage_cores(seen: Observation, service: ServiceState) -> list[float]:
    """Return cores per measured replica; a measurement above the limit is jitter, the kernel does not let it happen."""
    limit = service.cpu_limit_cores or math.inf
    return [min(replica.cpu_cores, limit) for replica in seen.replicas]


def of_unknown_demand(seen: Observation, service: ServiceState) -> int:
    """Return how many measured replicas may want more CPU than they get."""
    limit = service.cpu_limit_cores or math.inf
    return sum(
        replica.cpu_cores >= AT_LIMIT * limit or replica.throttled_share >= HEAVY_THROTTLING
        for replica in seen.replicas
    )


def not_usable(seen: Observation) -> str | None:
    """Return why the measurements do not suffice to decide on; None if they do: those of half of the ready replicas."""
    measured = len(seen.replicas)
    ready = measured + seen.missing
    if ready == 0:
        return f"no replica is ready yet ({seen.starting} starting)"
    if seen.missing <= measured:
        return None
    if seen.stale:
        return f"samples are stale (nothing new from {seen.stale} of {ready} ready replicas)"
    return "no samples yet" if measured == 0 else f"no samples yet of {seen.unseen} of {ready} ready replicas"
