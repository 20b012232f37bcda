"""The words that reasons are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from swarm_ext.scaling.leaning import Lean
    from swarm_ext.scaling.observation import Observation


def percent(share: float) -> str:
    """Return a share of one as `58 %`."""
    return f"{100 * share:.0f} %"


def figure(value: float) -> str:
    """Return a number to three digits, or whole."""
    return f"{value:.3g}" if value < 1000 else f"{value:.0f}"


def at_least(shown: str, unknown: int, measured: int) -> str:
    """Return a shown figure, marked as a lower bound if some of the replicas it was measured on hide their demand."""
    if not unknown:
        return shown
    return f"at least {shown} ({unknown} of {measured} at the limit or throttled, true demand unknown)"


def position(lean: Lean, name: str, neither: str) -> str:
    """Return where the measured replicas lie: above or below what `name` says, or `neither`."""
    return {1: f"above {name}", 0: neither, -1: f"below {name}"}[lean.measured]


def insufficient(lean: Lean, replicas: int, current: int) -> str:
    """Return why a lean changes nothing: a service that leans in may still need each of its replicas."""
    if not lean.direction or replicas != current:
        return ""
    return f", but the load takes {current} replicas" if current > 1 else ", but one replica is the least"


def caution(lean: Lean, seen: Observation) -> str:
    """Return how the unknown replicas were counted, where that could matter; empty where it could not."""
    if not lean.measured or not seen.unknown:
        return ""
    kinds = [(seen.stale, "stale"), (seen.unseen, "not measured yet"), (seen.starting, "starting")]
    unknown = " and ".join(f"{count} {kind}" for count, kind in kinds if count)
    link = ", counting" if lean.direction else ", but not when counting"
    return f"{link} {unknown} as {'idle' if lean.measured > 0 else 'busy'}"
