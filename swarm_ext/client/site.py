"""What all visitors of one user class have in common: where they go, in what way, and what they say of themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from swarm_ext.client.decoding import ACCEPT_ENCODING
from swarm_ext.client.fallback import FastSessions
from swarm_ext.client.idle import IdleConnections
from swarm_ext.client.request import Headers, Request, Target, checked_method, full_url, merged, target
from swarm_ext.client.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Mapping

_REMEMBERED = 1000
"""How many requests with nothing but a method and a path are kept ready to be sent again."""


class Site:
    """One `http://` host, as the visitors of one user class see it. `idle`: the connections that they share, if any.

    `settings` are those of FastHttpSession (network_timeout, max_redirects, …), times in seconds. Raise ValueError for a
    host that is none.
    """

    def __init__(self, base_url: str, *, keep_alive: bool, settings: Mapping[str, Any]) -> None:
        home = target(base_url)
        self._home = home
        self.base_url = home.url.rstrip("/")
        self.max_redirects = int(settings["max_redirects"])
        self.max_retries = int(settings["max_retries"])
        self.transport = Transport(
            connection_timeout=settings["connection_timeout"],
            network_timeout=settings["network_timeout"],
        )
        self.idle = IdleConnections() if keep_alive else None
        self.fast_sessions = FastSessions(base_url, keep_alive=keep_alive, settings=settings)
        own = {"User-Agent": "swarm-ext", "Accept-Encoding": ACCEPT_ENCODING}
        self._headers = merged(own, settings["headers"] or {})
        self._ready: dict[tuple[str, str], Request] = {}

    def close(self) -> None:
        """Close what is idle."""
        if self.idle is not None:
            self.idle.retire()
        self.transport.close()
        self.fast_sessions.close()

    def absolute(self, url: str) -> str:
        """Return a URL in full: one that is a path is the host's."""
        return full_url(self.base_url, url)

    def headers_for(self, where: Target, headers: Mapping[str, Any]) -> Headers:
        """Return the headers of a request: those given, and those of all requests. Credentials are for their own host."""
        authorization = where.authorization
        if authorization is None and where.origin == self._home.origin:
            authorization = self._home.authorization
        own = {**self._headers, "Authorization": authorization} if authorization else self._headers
        return merged(own, headers)

    def plain_request(self, method: str, url: str) -> Request:
        """Return a request with nothing of its own; it is made once, and sent again and again."""
        request = self._ready.get((method, url))
        if request is None:
            where = target(self.absolute(url))
            request = Request(checked_method(method), where, self.headers_for(where, {}), None)
            if len(self._ready) >= _REMEMBERED:
                self._ready.clear()  # paths that differ each time: remembering them is of no use
            self._ready[method, url] = request
        return request
