"""geventhttpclient, as Locust uses it, with the failures and the bodies of the lean client."""

from __future__ import annotations

import socket
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakMethod

import gevent
from geventhttpclient.client import HTTPClientPool
from geventhttpclient.response import HTTPParseError
from geventhttpclient.useragent import RetriesExceeded
from locust.contrib.fasthttp import FastRequest, FastResponse, LocustUserAgent

from swarm_ext.client import fast_failures, redirects
from swarm_ext.client.decoding import decoded
from swarm_ext.client.failures import NotConnectedError, TimedOutError, TooManyRedirectsError
from swarm_ext.client.request import ascii_host
from swarm_ext.client.size import MAX_BODY_BYTES, too_large

if TYPE_CHECKING:
    from geventhttpclient.client import HTTPClient
    from geventhttpclient.connectionpool import ConnectionPool

    from swarm_ext.client.resolver import Resolver

_PIECE_BYTES = 64 * 1024


class NotInTimeError(TimedOutError):
    """A whole request took longer than its `timeout=`: it is not for trying again."""


class _StopConnecting(Exception):  # noqa: N818 - it becomes the NotInTimeError that it was made of
    """Raised instead of an OSError, after which the next address would be tried, with no bound left."""


def _connect(to_address: WeakMethod[Any], sock: Any, address: Any) -> Any:
    """Connect to one address; it is a pool's method, and weak, or the pool would refer to itself."""
    try:
        return to_address()(sock, address)  # type: ignore[misc] # its pool is connecting, so it is there
    except NotInTimeError as error:
        raise _StopConnecting(error) from None


class _Connections:
    """The connections to `host`, made to `peer`, which is a proxy before it if they differ."""

    size = 0
    """A client makes a request that was closed without an answer again as often as this, and once more."""

    def __init__(self, pool: ConnectionPool, peer: tuple[str, int], host: tuple[str, int]) -> None:
        self._pool = pool
        self._peer = peer
        self._host = host
        self.close = pool.close
        self.return_socket = pool.return_socket
        self.release_socket = pool.release_socket

    def get_socket(self) -> Any:
        """Return a connection; raise RequestError if there is none to be had."""
        try:
            return self._pool.get_socket()
        except _StopConnecting as stopped:
            raise stopped.args[0] from None
        except (OSError, RuntimeError) as error:
            raise fast_failures.while_connecting(
                error, self._peer, self._host, self._pool.connection_timeout
            ) from None


def _resolved(resolver: Resolver, peer: tuple[str, int], seconds: float | None) -> list[tuple[Any, ...]]:
    """Return the addresses of a host and port as getaddrinfo would, another one first each time; raise RequestError."""
    try:
        host = ascii_host(peer[0])
    except ValueError as error:
        raise NotConnectedError(str(error)) from None
    return [
        (address.family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", address.sockaddr)
        for address in resolver.addresses(host, peer[1], seconds)
    ]


class _Clients(HTTPClientPool):
    """One client for each host; `proxy`, if there is one, is where its connections lead."""

    def __init__(self, resolver: Resolver, proxy: tuple[str, int] | None, **shape: Any) -> None:
        super().__init__(**shape)
        self._resolver = resolver
        self._proxy = proxy

    def get_client(self, url: Any) -> HTTPClient:
        """Return the client of a URL's host."""
        client = self.clients.get((url.host, url.port))
        if client is None:
            client = super().get_client(url)
            host = (url.host, url.port)
            peer = self._proxy or host
            # there is no other way to what follows
            pool: Any = client._connection_pool  # noqa: SLF001
            pool._resolve = partial(_resolved, self._resolver, peer, pool.connection_timeout)  # noqa: SLF001
            pool._connect_socket = partial(_connect, WeakMethod(pool._connect_socket))  # noqa: SLF001
            client._connection_pool = _Connections(pool, peer, host)  # type: ignore[assignment]  # noqa: SLF001
        return client


class _FastRequest(FastRequest):
    """A request that a redirect to nowhere is the end of."""

    def redirect(self, code: int, location: str) -> None:
        try:
            super().redirect(code, redirects.ascii_location(location.encode("latin-1")))
        except ValueError as error:
            raise redirects.to_nowhere(str(error)) from None
        if self.url_split.path.startswith("//"):
            raise redirects.to_nowhere(redirects.NO_SUCH_PATH.format(path=self.url_split.path))


class _FastResponse(FastResponse):
    """A response whose body is decoded, and fails, as the lean client's."""

    network_timeout: float | None = None
    """How long each silence of the server may last, in seconds."""

    def _content(self) -> bytes:
        headers = self.headers
        body = bytearray()
        try:
            while len(body) <= MAX_BODY_BYTES and (piece := self.read(_PIECE_BYTES)):
                body += piece
        except (OSError, HTTPParseError) as error:
            received = len(body) + len(self.read())  # what there was of it
            announced = headers.get("content-length") if headers else None
            raise fast_failures.of_the_body(error, received, announced, self.network_timeout) from None
        self.release()
        if len(body) > MAX_BODY_BYTES:
            raise too_large(MAX_BODY_BYTES)
        codings = headers.getlist("content-encoding") if headers else []
        return decoded(bytes(body), ",".join(codings).encode("latin-1")) if codings and body else bytes(body)


class FastAgent(LocustUserAgent):
    """Locust's user agent. `network_timeout` bounds each silence of a server, in seconds; `resolver` has the addresses.

    `connections` are those of another agent of this shape, which it has no more use for; None: there are none yet.
    """

    request_type = _FastRequest
    response_type = _FastResponse

    def __init__(
        self,
        *,
        resolver: Resolver,
        connections: HTTPClientPool | None,
        network_timeout: float | None,
        **shape: Any,
    ) -> None:
        super().__init__(network_timeout=network_timeout, **shape)
        self.network_timeout = network_timeout
        if connections is None:
            proxy = (shape["proxy_host"], shape["proxy_port"]) if shape["proxy_host"] else None
            connections = _Clients(resolver, proxy, **self.clientpool.client_args)
        self.clientpool = connections

    def _urlopen(self, request: Any) -> Any:
        response: Any = super()._urlopen(request)  # type: ignore[no-untyped-call]
        response.network_timeout = self.network_timeout
        return response

    def _handle_error(self, e: BaseException, url: Any = None) -> BaseException:
        if isinstance(e, gevent.Timeout | NotInTimeError):
            raise e  # it is not about this one attempt
        if isinstance(e, RetriesExceeded):
            raise TooManyRedirectsError(f"more than {self.max_redirects} redirects") from None
        return super()._handle_error(e, url)

    @classmethod
    def _conversation_str(cls, url: Any, resp: Any, payload: Any = None, encoding: str = "utf-8") -> str:  # noqa: ARG003
        """Read the body of a response with an error status; theirs makes text of it, which not every body is."""
        resp.content  # noqa: B018
        return ""
