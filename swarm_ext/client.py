"""The HTTP client of an arrival: Locust's FastHttpSession, one for each arrival, or one for each pooled slot.

Arrivals of one user run at the same time, and a session cannot be shared between them: its pool would queue them, its
redirect setting and its cookies would leak from one to the other. So each arrival has a session of its own, with a new
connection, as independent visitors have; with `--keep-alive` it borrows a session, connection and all, from a pool that
grows to as many as are in flight at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import gevent.ssl
from locust.contrib.fasthttp import FastHttpSession, insecure_ssl_context_factory

if TYPE_CHECKING:
    from collections.abc import Mapping
    from ssl import SSLContext

    from locust import User


class RequestListener(Protocol):
    """Whom a session tells of each request that it made; Locust's `request` event is one."""

    def fire(self, **request: Any) -> None:
        """Take one request's measurements, with the names of Locust's `request` event."""
        ...


class SessionPool:
    """Makes sessions for one user class: a new one each time, or used ones (`keep_alive`).

    `settings` are FastHttpSession's own (network_timeout, max_redirects, …), times in seconds.
    """

    def __init__(self, base_url: str, *, keep_alive: bool, settings: Mapping[str, Any]) -> None:
        self._base_url = base_url
        self._settings = {**settings, "ssl_context_factory": self._ssl_context}
        self._make_context = settings["ssl_context_factory"]
        self._insecure = bool(settings["insecure"])
        self._context: SSLContext | None = None
        self._idle: list[FastHttpSession] | None = [] if keep_alive else None

    def _ssl_context(self, **_: object) -> SSLContext:
        """Return one context for all sessions: to load the authorities' certificates takes tens of milliseconds."""
        if self._context is None:
            make = self._make_context or (
                insecure_ssl_context_factory if self._insecure else gevent.ssl.create_default_context
            )
            self._context = make()
        return self._context

    def acquire(self, user: User, listener: RequestListener) -> FastHttpSession:
        """Return a session that no other arrival is using; it tells `listener` of its requests."""
        if self._idle:
            session = self._idle.pop()
            session.request_event = listener
            session.user = user
            return session
        return FastHttpSession(
            base_url=self._base_url, request_event=listener, user=user, concurrency=1, **self._settings
        )

    def release(self, session: FastHttpSession) -> None:
        """Take a session back when its arrival has ended."""
        if self._idle is None:
            session.client.close()
            return
        session.cookiejar.clear()
        session.request_name = None
        session.user = None
        self._idle.append(session)

    def discard(self, session: FastHttpSession) -> None:
        """Close a session whose arrival was cut off: what its connection would carry next is unknown."""
        session.client.close()

    def close(self) -> None:
        """Close what is idle."""
        while self._idle:
            self._idle.pop().client.close()
