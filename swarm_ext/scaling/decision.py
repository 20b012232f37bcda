"""From what a policy recommends to what is done: steps, stabilization, bounds, placement. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from swarm_ext.swarm import update_under_way

if TYPE_CHECKING:
    from collections.abc import Callable

    from swarm_ext.model import ServiceState
    from swarm_ext.scaling.bounds import Bounds
    from swarm_ext.scaling.placement import Cap
    from swarm_ext.scaling.policies import Recommendation
    from swarm_ext.scaling.stabilization import Floor

_SMALL_STEP = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What stands between a recommendation and the service: all that holds just now."""

    bounds: Bounds
    floor: Floor | None = None
    cap: Cap | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The replicas that the service should have now, and why: a whole sentence if that changes nothing, else a clause."""

    replicas: int
    reason: str


def hands_off(service: ServiceState) -> str | None:
    """Return the reason not to touch a service, whatever its load; None if there is none."""
    if service.desired == 0:
        return "disabled: the service has 0 replicas; scale it to 1 or more and it is scaled again"
    update = update_under_way(service.update_state)
    return update and f"held: the service is {update}"


def decide(recommended: Recommendation, current: int, limits: Limits) -> Verdict:
    """Return what to do about a recommendation for a service that has `current` replicas (at least one).

    In order: a step out at most doubles (or reaches 4); scaling in waits for the floor; the bounds hold, also for a count
    that was found outside of them; within them, what cannot be placed is not asked for. When the policy cannot tell,
    only the bounds count.
    """
    wanted, applicable = recommended.replicas, _ALL_LIMITS
    if wanted is None:
        wanted, applicable = current, (_bounded,)
    remarks = []
    for limit in applicable:
        allowed, remark = limit(wanted, current, limits)
        if allowed != wanted:
            remarks.append(remark)
        wanted = allowed
    return Verdict(wanted, _reason(recommended, current, wanted, "; ".join(remarks)))


def _reason(recommended: Recommendation, current: int, wanted: int, remarks: str) -> str:
    if wanted == current:
        if remarks:
            return f"{remarks}; {recommended.why}"
        return f"{'held' if recommended.replicas is None else 'no change'}: {recommended.why}"
    clauses = [recommended.why if recommended.replicas is not None else "", remarks]
    return "; ".join(clause for clause in clauses if clause)


def _stepped(wanted: int, current: int, _: Limits) -> tuple[int, str]:
    allowed = min(wanted, max(_SMALL_STEP, 2 * current))
    return allowed, f"one step goes no further than {allowed} (wanted {wanted})"


def _stabilised(wanted: int, current: int, limits: Limits) -> tuple[int, str]:
    if limits.floor is None or wanted >= current:
        return wanted, ""
    allowed = max(wanted, min(current, limits.floor.replicas))
    waits = "scaling in waits" if allowed == current else "scaling in further waits"
    return allowed, f"{waits}: {limits.floor.why} (wanted {wanted})"


def _bounded(wanted: int, current: int, limits: Limits) -> tuple[int, str]:
    allowed = limits.bounds.clamp(wanted)
    verb = "found" if wanted == current else "wanted"
    if allowed < wanted:
        return allowed, f"capped at --max-replicas {allowed} ({verb} {wanted})"
    return allowed, f"kept at --min-replicas {allowed} ({verb} {wanted})"


def _placed(wanted: int, _: int, limits: Limits) -> tuple[int, str]:
    if limits.cap is None:
        return wanted, ""
    allowed = min(wanted, max(limits.cap.replicas, limits.bounds.minimum))
    return (
        allowed,
        f"capped at {allowed}: the swarm cannot place more for now ({limits.cap.error}; wanted {wanted})",
    )


_ALL_LIMITS: tuple[Callable[[int, int, Limits], tuple[int, str]], ...] = (
    _stepped,
    _stabilised,
    _bounded,
    _placed,
)
