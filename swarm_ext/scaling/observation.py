"""What a policy sees: how busy each replica was over the window, and how much arrived. Plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class ReplicaUse:
    """One ready replica over the window: CPU [cores], and the share of the time that its limit held it back.

    `throttled_share` is throttled seconds per second; the kernel adds it up over CPUs, so that it can exceed 1.
    """

    cpu_cores: float
    throttled_share: float = 0.0


@dataclass(frozen=True, slots=True)
class ArrivalRate:
    """Arrivals per second: what the streams alive were `asked` for now, or `offered` over the window."""

    per_second: float
    source: Literal["asked", "offered"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """A service at one moment. `replicas` are those ready and measured; the others are only counted.

    `stale`: ready, but the newest sample has not advanced for too long. `unseen`: ready, but with too few samples for
    a rate. `starting`: should run, and is not ready yet (or not warm, or too briefly to have been measured).
    """

    replicas: tuple[ReplicaUse, ...] = ()
    stale: int = 0
    unseen: int = 0
    starting: int = 0
    arrivals: ArrivalRate | None = None
    arrivals_are_stale: bool = False

    @property
    def missing(self) -> int:
        """Ready replicas that nothing usable is known of."""
        return self.stale + self.unseen

    @property
    def unknown(self) -> int:
        """Replicas that count, but not with a measured value."""
        return self.missing + self.starting
