"""Scaling in waits until nothing higher has been asked for during a whole window; scaling out never waits.

The rule is that of the Kubernetes HorizontalPodAutoscaler's scale-down stabilization.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Floor:
    """Below this many replicas the service is not scaled now. `why` says what set it, for a reason to end with."""

    replicas: int
    why: str


class Stabilization:
    """The recommendations of the last `window_seconds`. Memory is bounded by the evaluations in a window.

    After a start, and after a silence of a whole window, what the service has counts as a recommendation: before it may
    be scaled in, a full window must pass.
    """

    def __init__(self, window_seconds: float) -> None:
        self._window = window_seconds
        self._noted: deque[tuple[float, int, str]] = deque()

    def recommended(self, replicas: int, current: int, now: float) -> Floor | None:
        """Note what a policy asks for at `now` (monotonic [s]); return the floor that holds, if the window is not 0."""
        self._drop_old(now)
        if not self._noted:
            self.found(current, now, "the start")
        self._note(replicas, now, f"highest recommendation of the last {self._window:g} s is {replicas}")
        if self._window <= 0:
            return None
        _, highest, why = max(self._noted, key=lambda noted: (noted[1], noted[0]))
        return Floor(highest, why)

    def found(self, current: int, now: float, event: str) -> None:
        """Note a count that no policy asked for, but that counts as if one had; `event` says in words what happened."""
        self._drop_old(now)
        self._note(current, now, f"less than {self._window:g} s of recommendations since {event}")

    def _note(self, replicas: int, now: float, why: str) -> None:
        self._noted.append((now, replicas, why))

    def _drop_old(self, now: float) -> None:
        while self._noted and self._noted[0][0] <= now - self._window:
            self._noted.popleft()
