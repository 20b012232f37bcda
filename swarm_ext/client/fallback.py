"""Locust's own FastHttpSession, for what the lean client leaves to it: TLS, proxies, bodies in pieces.

A FastHttpSession cannot be shared by arrivals that run at the same time: its pool would queue them, its redirect setting
and its cookies would leak from one to the other. So each arrival has one of its own, with a new connection, or with
`keep_alive` the connections of an arrival that has ended, from a pool that grows to as many as are in flight at once.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import gevent.ssl
from locust.contrib.fasthttp import insecure_ssl_context_factory

from swarm_ext.client.fast_session import BoundedFastSession
from swarm_ext.client.request import target
from swarm_ext.client.resolver import Resolver
from swarm_ext.client.response import Response

if TYPE_CHECKING:
    from collections.abc import Mapping
    from ssl import SSLContext

    from geventhttpclient.client import HTTPClientPool
    from locust import User

    from swarm_ext.client.listener import RequestListener
    from swarm_ext.client.request import Request


class FastSessions:
    """Makes FastHttpSessions for one user class: with new connections each time, or with used ones (`keep_alive`).

    `settings` are FastHttpSession's own (network_timeout, max_redirects, …), times in seconds; `concurrency` bounds how many
    requests one arrival has in flight at once. Raise ValueError for a host that is none.
    """

    def __init__(self, base_url: str, *, keep_alive: bool, settings: Mapping[str, Any]) -> None:
        self._home = target(base_url)
        self._settings = {**settings, "ssl_context_factory": self._ssl_context, "resolver": Resolver()}
        self._make_context = settings["ssl_context_factory"]
        self._insecure = bool(settings["insecure"])
        self._context: SSLContext | None = None
        self._idle: list[HTTPClientPool] | None = [] if keep_alive else None

    def _ssl_context(self, **_: object) -> SSLContext:
        """Return one context for all sessions: to load the authorities' certificates takes tens of milliseconds."""
        if self._context is None:
            make = self._make_context or (
                insecure_ssl_context_factory if self._insecure else gevent.ssl.create_default_context
            )
            self._context = make()
        return self._context

    def acquire(self, user: User | None, listener: RequestListener) -> BoundedFastSession:
        """Return a session that no other arrival is using; it tells `listener` of its requests."""
        return BoundedFastSession(
            home=self._home,
            request_event=listener,
            user=user,
            connections=self._idle.pop() if self._idle else None,
            **self._settings,
        )

    def release(self, session: BoundedFastSession) -> None:
        """Take a session back when its arrival has ended; what it knows goes with it, and only its connections stay."""
        session.user = None
        if self._idle is None or session.in_flight:
            session.client.close()
        else:
            self._idle.append(session.client.clientpool)

    def discard(self, session: BoundedFastSession) -> None:
        """Close a session whose arrival was cut off: what its connection would carry next is unknown."""
        session.client.close()

    def close(self) -> None:
        """Close what is idle."""
        while self._idle:
            self._idle.pop().close()


def fetch(session: BoundedFastSession, request: Request) -> Response:
    """Make one request by a FastHttpSession, unreported, without following redirects; raise RequestError."""
    began = time.perf_counter()
    answer = session.exchange(
        request.method,
        request.url,
        headers=dict(request.headers),
        payload=request.body,
        max_redirects=0,
        max_retries=0,
    )
    fields = answer.headers.items() if answer.headers else ()
    response = Response(request)
    response.take(
        answer.status_code,
        [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields],
        answer.content,
    )
    response.seconds = time.perf_counter() - began
    return response
