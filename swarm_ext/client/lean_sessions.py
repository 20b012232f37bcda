"""Makes the sessions of one user class for a host that speaks plain HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from swarm_ext.client.session import Session
from swarm_ext.client.site import Site

if TYPE_CHECKING:
    from collections.abc import Mapping

    from locust import User

    from swarm_ext.client.listener import RequestListener


class LeanSessions:
    """A new session for each arrival; what they have in common is the `Site`, whose arguments these are."""

    def __init__(self, base_url: str, *, keep_alive: bool, settings: Mapping[str, Any]) -> None:
        self._site = Site(base_url, keep_alive=keep_alive, settings=settings)

    def acquire(self, user: User | None, listener: RequestListener) -> Session:
        """Return a new visitor's session; it tells `listener` of its requests."""
        return Session(self._site, user, listener)

    def release(self, session: Session) -> None:
        """Take a session back when its arrival has ended."""
        session.retire()
        session.user = None  # they refer to each other: left so, each pair is work for the garbage collector

    def discard(self, session: Session) -> None:
        """Take back a session whose arrival was cut off."""
        session.retire_abandoned()
        session.user = None

    def close(self) -> None:
        """Close what is idle."""
        self._site.close()
