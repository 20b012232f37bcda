"""Notices when somebody else changes the number of replicas."""

from __future__ import annotations

from collections import deque

FIGHT_CHANGES = 3
FIGHT_SECONDS = 120.0
"""So many changes by somebody else within so many seconds look like a second autoscaler."""


class Ownership:
    """Remembers what was last found or set. `now` is monotonic, in seconds."""

    def __init__(self) -> None:
        self._known: int | None = None
        self._asked: int | None = None
        self._foreign: deque[float] = deque(maxlen=FIGHT_CHANGES)

    def asks_for(self, replicas: int) -> None:
        """Note what is about to be set: it may take effect even if the swarm's answer is lost."""
        self._asked = replicas

    def found(self, desired: int, now: float) -> str | None:
        """Take in the count that the swarm has; return what to say if somebody else changed it."""
        before, self._known = self._known, desired
        if before is None or desired in (before, self._asked):
            return None
        self._asked = None
        self._foreign.append(now)
        words = f"adopted {desired}, set by somebody else (was {before})"
        if len(self._foreign) == FIGHT_CHANGES and now - self._foreign[0] <= FIGHT_SECONDS:
            words += (
                f"; {FIGHT_CHANGES} such changes within {now - self._foreign[0]:.0f} s: "
                "two scalers may be fighting over this service"
            )
        return words
