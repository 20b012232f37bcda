"""One request and its response on a connection: an idle one, or else a new one.

Read `Transport.exchange` and down: it is the whole way of a request out of this process and of its response back.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from swarm_ext.client.connection import Connection, TimeIsUp
from swarm_ext.client.decoding import decoded
from swarm_ext.client.failures import ConnectionLostError, NotConnectedError, TimedOutError, is_shortage
from swarm_ext.client.patience import patience_of
from swarm_ext.client.request import IDEMPOTENT
from swarm_ext.client.resolver import Resolver
from swarm_ext.client.response import Response
from swarm_ext.client.spare import SpareSockets

if TYPE_CHECKING:
    from swarm_ext.client.address import Address
    from swarm_ext.client.idle import IdleConnections
    from swarm_ext.client.request import Request


class Transport:
    """How the requests of one kind of user travel.

    `connection_timeout` bounds the time to connect, `network_timeout` each silence of the server; both in seconds, and None
    is no limit.
    """

    def __init__(self, *, connection_timeout: float | None, network_timeout: float | None) -> None:
        self._connecting = patience_of(connection_timeout)
        self._silence = patience_of(network_timeout)
        self._resolver = Resolver()
        self._spares = SpareSockets()

    def close(self) -> None:
        """Close the sockets that wait for another connection; from now on none does."""
        self._spares.close()

    def exchange(self, request: Request, idle: IdleConnections) -> Response:
        """Send a request on an idle connection, or a new one, and return its response; raise RequestError.

        The server may have closed an idle connection just before the request reached it. Then the request is made again,
        once and on a new connection, if no server can have seen it, or if it does no harm twice.
        """
        connection = idle.take(request.place)
        if connection is not None:
            try:
                return self._converse(connection, request, 0, idle)
            except ConnectionLostError:
                if connection.reader.has_begun or (connection.sent and request.method not in IDEMPOTENT):
                    raise
        connection, sent = self._connected(request)
        return self._converse(connection, request, sent, idle)

    def _connected(self, request: Request) -> tuple[Connection, int]:
        """Return a new connection, and how much of the request went out with it; addresses are tried in turn."""
        host, port = request.place
        failure = None
        for address in self._resolver.addresses(host, port, self._connecting.seconds):
            try:
                return self._connected_to(address, request.wire)
            except TimedOutError:
                self._resolver.rest(host, port, address)
                raise
            except NotConnectedError as refused:
                failure = refused
                if is_shortage(refused):
                    break
                self._resolver.rest(host, port, address)
        assert failure is not None  # noqa: S101 - a name without addresses does not resolve
        raise failure

    def _connected_to(self, address: Address, wire: bytes) -> tuple[Connection, int]:
        connection = Connection(address, self._spares)
        try:
            return connection, connection.connect(wire, self._connecting)
        except TimeIsUp:
            connection.close()
            raise TimedOutError(f"no connection to {address} within {self._connecting.seconds:g} s") from None
        except BaseException:
            connection.close()
            raise

    def _converse(
        self, connection: Connection, request: Request, sent: int, idle: IdleConnections
    ) -> Response:
        """Send the rest of a request, and receive the response to it."""
        reader, silence, wire = connection.reader, self._silence, request.wire
        reader.expect(request.method)
        connection.sent = sent
        try:
            if sent < len(wire):
                connection.send(wire, silence)
            began = time.perf_counter()
            while not reader.complete:
                connection.receive(silence)
            response = Response(request)
            response.take(reader.status, reader.raw_headers, reader.body)
            response.seconds = time.perf_counter() - began
            if b"content-encoding" in response.fields and response.content:
                response.content = decoded(response.content, _codings(reader.raw_headers))
        except TimeIsUp:
            connection.reset()
            raise TimedOutError(self._silence_in_words(connection, request)) from None
        except BaseException:
            connection.reset()
            raise
        if reader.reusable and connection.sent == len(wire):
            idle.put(request.place, connection)
        else:
            connection.reset()
        return response

    def _silence_in_words(self, connection: Connection, request: Request) -> str:
        seconds, reader, sent = self._silence.seconds, connection.reader, connection.sent
        if sent < len(request.wire) and not reader.has_begun:
            return f"the request was not taken within {seconds:g} s: {sent} of {len(request.wire)} bytes were"
        if not reader.has_begun:
            return f"no response within {seconds:g} s"
        return f"nothing more within {seconds:g} s, {reader.progress()}"


def _codings(raw_headers: list[tuple[bytes, bytes]]) -> bytes:
    """Return the codings of a body in the order in which they were applied, of however many headers they are."""
    return b",".join(value for name, value in raw_headers if name.lower() == b"content-encoding")
