"""Locust's own FastHttpSession, for what the lean client leaves to it: TLS, proxies, bodies in pieces.

A FastHttpSession cannot be shared by arrivals that run at the same time: its pool would queue them, its redirect setting
and its cookies would leak from one to the other. So each arrival has one of its own, with a new connection, or with
`keep_alive` borrows one, connection and all, from a pool that grows to as many as are in flight at once.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import brotli
import gevent
import gevent.ssl
from locust.contrib.fasthttp import FAILURE_EXCEPTIONS, insecure_ssl_context_factory

from swarm_ext.client.failures import BadResponseError, RequestError
from swarm_ext.client.fast_session import BoundedFastSession
from swarm_ext.client.response import Response

if TYPE_CHECKING:
    from collections.abc import Mapping
    from ssl import SSLContext

    from locust import User
    from locust.contrib.fasthttp import FastHttpSession

    from swarm_ext.client.listener import RequestListener
    from swarm_ext.client.request import Request


class FastSessions:
    """Makes FastHttpSessions for one user class: a new one each time, or used ones (`keep_alive`).

    `settings` are FastHttpSession's own (network_timeout, max_redirects, …), times in seconds; `concurrency` bounds how many
    requests one arrival has in flight at once.
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

    def acquire(self, user: User | None, listener: RequestListener) -> FastHttpSession:
        """Return a session that no other arrival is using; it tells `listener` of its requests."""
        if self._idle:
            session = self._idle.pop()
            session.request_event = listener
            session.user = user
            return session
        return BoundedFastSession(
            base_url=self._base_url, request_event=listener, user=user, **self._settings
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


def _let_timeouts_through(error: BaseException) -> None:
    """Raise the `gevent.Timeout` that was meant for a whole visit, and that geventhttpclient took for a slow server's."""
    for cause in (error, getattr(error, "original", None), error.__context__):
        if isinstance(cause, gevent.Timeout):
            raise cause


def fetch(session: FastHttpSession, request: Request) -> Response:
    """Make one request by a FastHttpSession, unreported, without following redirects; raise RequestError."""
    try:
        answer: Any = session.client.urlopen(
            request.url,
            method=request.method,
            headers=dict(request.headers),
            payload=request.body,
            max_redirects=0,
        )
    except FAILURE_EXCEPTIONS as error:
        _let_timeouts_through(error)
        answer = getattr(error, "response", None)  # a status that is a failure comes as an exception
        if answer is None:
            raise RequestError(f"{type(error).__name__}: {error}") from None
    try:
        content = answer.content
    except (
        ValueError,
        EOFError,
        zlib.error,
        brotli.error,
    ) as error:  # FAILURE_EXCEPTIONS has neither of them
        raise BadResponseError(f"the body cannot be decoded: {error}") from None
    except FAILURE_EXCEPTIONS as error:
        _let_timeouts_through(error)
        raise RequestError(f"{type(error).__name__}: {error}") from None
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers.items()]
    response = Response(request)
    response.take(answer.status_code, headers, content)
    return response
