"""One client's socket, which never blocks: bytes received, bytes yet to be sent, and the time its client may take.

Standard library only: it is part of a container image.
"""

from __future__ import annotations

import selectors
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

REQUEST_SECONDS = 10.0
"""A request's head must be complete so long after its first byte, and a response taken so long after it is ready."""

IDLE_SECONDS = 75.0
"""A kept-alive connection may be silent for so long."""

LINGER_SECONDS = 1.0
"""A connection that we end waits so long for its client to close."""

_RECEIVE_BYTES = 65_536


@dataclass(slots=True)
class Counters:
    """What a server has done since it began."""

    requests: int = 0
    rx_bytes: int = 0
    tx_bytes: int = 0


class ClientConnection:
    """A client's connection, watched by `selector` for whatever it waits for.

    `serve` is called with it when bytes came in (`received`), or when a response is out that the client was slow to
    take; `lost` when it is closed. `deadline` is on the monotonic clock, None while the server computes.
    """

    def __init__(
        self,
        sock: socket.socket,
        selector: selectors.BaseSelector,
        counters: Counters,
        serve: Callable[[ClientConnection], None],
        lost: Callable[[ClientConnection], None],
    ) -> None:
        self.received = bytearray()
        self.deadline: float | None = time.monotonic() + REQUEST_SECONDS
        self.answered = False
        self.lingering = False
        self._sock = sock
        self._selector = selector
        self._counters = counters
        self._serve = serve
        self._lost = lost
        self._unsent = b""
        self._closing = False
        self._watched = 0
        sock.settimeout(0)

    @property
    def may_serve(self) -> bool:
        """Whether another request may be taken: it is open, and everything answered is on its way."""
        return not self._closing and not self._unsent

    def receive(self) -> None:
        """Take in what has arrived, if anything, and have it served."""
        try:
            data = self._sock.recv(_RECEIVE_BYTES)
        except (BlockingIOError, InterruptedError):
            self.expect_more()
            return
        except OSError:
            data = b""
        self._counters.rx_bytes += len(data)
        if not data:
            self.close()
        elif not self.lingering:
            if not self.received:
                self.deadline = time.monotonic() + REQUEST_SECONDS
            self.received += data
            self._serve(self)

    def expect_more(self) -> None:
        """Wait for the client's next bytes."""
        self._watch(selectors.EVENT_READ)

    def pause(self) -> None:
        """Wait for nothing: a request of it is being computed."""
        self.deadline = None
        self._watch(0)

    def send(self, data: bytes, *, close: bool) -> None:
        """Send a response, as fast as the client takes it, and then end the connection if `close`."""
        self.answered = True
        self._closing = close
        self._unsent = data
        self.deadline = time.monotonic() + REQUEST_SECONDS
        self._write()

    def close(self) -> None:
        """Close it now."""
        self._closing = True
        self._watch(0)
        self._sock.close()
        self._lost(self)

    def _write(self) -> None:
        try:
            sent = self._sock.send(self._unsent)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            self.close()
            return
        self._counters.tx_bytes += sent
        self._unsent = self._unsent[sent:]
        if self._unsent:
            self._watch(selectors.EVENT_WRITE)
        elif self._closing:
            self._linger()
        else:
            self.deadline = time.monotonic() + IDLE_SECONDS

    def _continue_to_write(self) -> None:
        self._write()
        self._serve(self)

    def _linger(self) -> None:
        """Read on until the client closes: closing first, with input unread, could destroy the response on its way."""
        self.lingering = True
        self.deadline = time.monotonic() + LINGER_SECONDS
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError:
            self.close()
            return
        self._watch(selectors.EVENT_READ)

    def _watch(self, events: int) -> None:
        if events == self._watched:
            return
        if self._watched:
            self._selector.unregister(self._sock)
        if events:
            react = self._continue_to_write if events == selectors.EVENT_WRITE else self.receive
            self._selector.register(self._sock, events, react)
        self._watched = events
