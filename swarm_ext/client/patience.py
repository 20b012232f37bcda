"""How long those who wait may wait: one timer for all that may wait equally long, instead of one each.

Waits of one length end in the order in which they began, so a dict in that order, of who waits until when, is all there is
to keep: to begin or to end a wait is to put or to delete one entry. The timer is set for the first of them, and when it
goes off, mostly long after that one has ended, for the first of those that are left.
"""

from __future__ import annotations

import time
from typing import Any, Protocol

from gevent import get_hub


class Waiting(Protocol):
    """One who waits; it is told when its time is up."""

    def expire(self) -> None:
        """Give up waiting."""
        ...


class Endless:
    """Everybody who waits for as long as it takes."""

    seconds = None

    def begin(self, who: Waiting) -> None:
        """Let a wait begin."""

    def end(self, who: Waiting) -> None:
        """End a wait."""


class Patience:
    """Everybody who waits for `seconds` at most."""

    __slots__ = ("_timer", "_until", "seconds")

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._until: dict[Waiting, float] = {}
        self._timer: Any = None

    def begin(self, who: Waiting) -> None:
        """Let a wait begin; one at a time for each who waits."""
        self._until[who] = time.monotonic() + self.seconds
        if self._timer is None:
            self._set_timer(self.seconds)

    def end(self, who: Waiting) -> None:
        """End a wait: what was waited for has come, or nobody waits any longer."""
        self._until.pop(who, None)

    def _set_timer(self, seconds: float) -> None:
        self._timer = get_hub().loop.timer(seconds, ref=False)
        self._timer.start(self._go_off)

    def _go_off(self) -> None:
        """Expire those whose time is up; in the hub, so each does no more than wake its greenlet."""
        self._timer.close()
        self._timer = None
        now = time.monotonic()
        expired: list[Any] = []
        for who, until in self._until.items():
            if until > now:
                self._set_timer(until - now)
                break
            expired.append(who)
        for who in expired:
            if self._until.pop(who, None) is not None:
                who.expire()


def patience_of(seconds: float | None) -> Patience | Endless:
    """Return how long somebody may wait; None: there is no limit."""
    return Endless() if seconds is None else Patience(seconds)
