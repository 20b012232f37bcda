"""Scaling in waits until nothing higher has been asked for during a whole window; scaling out never waits.

The rule is that of the Kubernetes HorizontalPodAutoscaler's scale-down stabilization.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

_SILENT_SHARE = 0.5
_SILENT_INTERVALS = 2


@dataclass(frozen=True, slots=True)
class Floor:
    """Below this many replicas the service is not scaled now. `why` says what set it, for a reason to end with."""

    replicas: int
    why: str


class Stabilization:
    """The recommendations of the last `window_seconds`, made every `interval_seconds`; of 0 s, there is no floor.

    At the start, and after a silence of half a window (and of more than two intervals), what the service has counts as a
    recommendation: before it may be scaled in, a full window must pass.
    """

    def __init__(self, window_seconds: float, interval_seconds: float) -> None:
        self._window = window_seconds
        self._silence = max(_SILENT_SHARE * window_seconds, _SILENT_INTERVALS * interval_seconds)
        self._noted: deque[tuple[float, int, str]] = deque()
        self._last_recommended_at = -math.inf

    def recommended(self, replicas: int, current: int, now: float) -> Floor | None:
        """Note what a policy asks for at `now` (monotonic [s]); return the floor that holds, if any."""
        if now - self._last_recommended_at > self._silence:
            self.found(current, now, "scaling began")
        self._last_recommended_at = now
        self._note(replicas, now, f"highest recommendation of the last {self._window:g} s is {replicas}")
        if self._window <= 0:
            return None
        _, highest, why = max(self._noted, key=lambda noted: (noted[1], noted[0]))
        return Floor(highest, why)

    def found(self, current: int, now: float, event: str) -> None:
        """Note a count that no policy asked for, but that counts as if one had; `event` says in words what happened."""
        self._note(current, now, f"less than {self._window:g} s have passed since {event}")

    def _note(self, replicas: int, now: float, why: str) -> None:
        while self._noted and self._noted[0][0] <= now - self._window:
            self._noted.popleft()
        self._noted.append((now, replicas, why))
