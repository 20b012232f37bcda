"""geventhttpclient, as Locust uses it, with the failures and the bodies of the lean client."""

from __future__ import annotations

import socket
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import ref

import gevent
import gevent.socket
from geventhttpclient.client import HTTPClientPool
from geventhttpclient.useragent import RetriesExceeded
from locust.contrib.fasthttp import FastRequest, LocustUserAgent

from swarm_ext.client import fast_failures, redirects
from swarm_ext.client.failures import (
    NotConnectedError,
    TimedOutError,
    TooManyRedirectsError,
    is_shortage,
)
from swarm_ext.client.fast_response import WholeResponse
from swarm_ext.client.host import ascii_host, without_zone

if TYPE_CHECKING:
    from collections.abc import Callable

    from geventhttpclient.client import HTTPClient
    from geventhttpclient.connectionpool import ConnectionPool

    from swarm_ext.client.address import Address
    from swarm_ext.client.failures import RequestError
    from swarm_ext.client.resolver import Resolver


class NotInTimeError(TimedOutError):
    """A whole request took longer than its `timeout=`: it is not for trying again."""


class _Connections:
    """The connections to `host`, made to `peer`, which is a proxy before it if they differ."""

    size = 0
    """A client makes a request that was closed without an answer again as often as this, and once more."""

    def __init__(
        self, pool: ConnectionPool, resolver: Resolver, peer: tuple[str, int], host: tuple[str, int]
    ) -> None:
        self._pool = pool
        self._failure = partial(
            fast_failures.while_connecting, peer=peer, host=host, seconds=pool.connection_timeout
        )
        self.close = pool.close
        self.return_socket = pool.return_socket
        self.release_socket = pool.release_socket
        # weak, or the pool would refer to itself
        pool._create_socket = partial(_connected, ref(pool), resolver, peer, self._failure)  # type: ignore[method-assign]  # noqa: SLF001

    def get_socket(self) -> Any:
        """Return a connection; raise RequestError if there is none to be had."""
        try:
            return self._pool.get_socket()
        except RuntimeError as error:
            raise self._failure(error) from None


def _connected(
    of: ref[ConnectionPool], resolver: Resolver, peer: tuple[str, int], failed: Callable[..., RequestError]
) -> Any:
    """Return a new connection of a pool; addresses are tried in turn. Raise RequestError, or a proxy's RuntimeError."""
    pool: Any = of()  # it is connecting, so it is there
    try:
        name = ascii_host(peer[0])
    except ValueError as error:
        raise NotConnectedError(str(error)) from None
    failure = None
    for address in resolver.addresses(name, peer[1], pool.connection_timeout):
        try:
            return _connected_to(pool, address)
        except NotInTimeError:
            raise
        except OSError as error:
            failure = failed(error)
            if is_shortage(failure):
                break
            resolver.rest(name, peer[1], address)
            if isinstance(failure, TimedOutError):
                break
    assert failure is not None  # noqa: S101 - a name without addresses does not resolve
    raise failure


def _connected_to(pool: Any, address: Address) -> Any:
    plain = gevent.socket.socket(address.family, socket.SOCK_STREAM)
    try:
        plain.settimeout(pool.connection_timeout)
        connected = pool._connect_socket(plain, address.sockaddr)  # noqa: SLF001 - TLS and proxies are its own
        connected.settimeout(pool.network_timeout)
    except BaseException:
        plain.close()
        raise
    return connected


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
            if ":" in url.host:
                _told_of_address(client, pool, without_zone(url.host))
            client._connection_pool = _Connections(pool, self._resolver, peer, host)  # type: ignore[assignment]  # noqa: SLF001
        return client


def _told_of_address(client: HTTPClient, pool: Any, address: str) -> None:
    """Let a client say `address` to its server and its proxy: without a zone, and in brackets where its own has none."""
    client.host = address
    client._base_url_string = f"http://[{address}]:{client.port}/"  # noqa: SLF001 - for a proxy, of plain HTTP
    if client.ssl:
        pool.ssl_options["server_hostname"] = address
        pool._request_host = f"[{address}]"  # noqa: SLF001 - for a proxy, of TLS


class _FastRequest(FastRequest):
    """A request that a redirect to nowhere is the end of."""

    def redirect(self, code: int, location: str) -> None:
        try:
            super().redirect(code, redirects.ascii_location(location.encode("latin-1")))
        except ValueError as error:
            raise redirects.to_nowhere(str(error)) from None
        if self.url_split.path.startswith("//"):
            raise redirects.to_nowhere(redirects.NO_SUCH_PATH.format(path=self.url_split.path))


class FastAgent(LocustUserAgent):
    """Locust's user agent. `network_timeout` bounds each silence of a server, in seconds; `resolver` has the addresses.

    `connections` are those of another agent of this shape, which it has no more use for; None: there are none yet.
    """

    request_type = _FastRequest
    response_type = WholeResponse

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
            try:
                raise e  # it is not about this one attempt
            finally:
                del e  # its traceback leads here
        if isinstance(e, RetriesExceeded):
            raise TooManyRedirectsError(f"more than {self.max_redirects} redirects") from None
        return super()._handle_error(e, url)

    @classmethod
    def _conversation_str(cls, url: Any, resp: Any, payload: Any = None, encoding: str = "utf-8") -> str:  # noqa: ARG003
        """Read the body of a response with an error status; theirs makes text of it, which not every body is."""
        resp.content  # noqa: B018
        return ""
