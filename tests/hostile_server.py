"""A server that does whatever a test wants, byte by byte, on real sockets of 127.0.0.1 (or ::1)."""

from __future__ import annotations

import contextlib
import re
import socket
import struct
from typing import TYPE_CHECKING, Any

import gevent
from gevent.server import StreamServer

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    Script = Callable[["Peer"], None]

PATIENCE_SECONDS = 30


class Peer:
    """The server's end of one connection."""

    def __init__(self, server: HostileServer, connection: Any) -> None:
        self._server = server
        self._socket = connection
        self._unread = b""

    def request(self) -> bytes:
        """Read one request, body and all, and return it; b"" if the client has closed."""
        with gevent.Timeout(PATIENCE_SECONDS):
            while b"\r\n\r\n" not in self._unread:
                if not self._read():
                    return b""
            head, _, _ = self._unread.partition(b"\r\n\r\n")
            found = re.search(rb"(?i)\r\nContent-Length: *(\d+)", head)
            end = len(head) + 4 + (int(found.group(1)) if found else 0)
            while len(self._unread) < end:
                if not self._read():
                    return b""
        request, self._unread = self._unread[:end], self._unread[end:]
        self._server.requests.append(request)
        return request

    def request_head(self) -> bytes:
        """Read one request as far as the end of its headers; the rest stays unread."""
        with gevent.Timeout(PATIENCE_SECONDS):
            while b"\r\n\r\n" not in self._unread:
                if not self._read():
                    return b""
        return self._unread.partition(b"\r\n\r\n")[0]

    def _read(self) -> bool:
        with contextlib.suppress(ConnectionError):
            data = self._socket.recv(65536)
            self._unread += data
            return bool(data)
        return False

    def send(self, *parts: bytes) -> None:
        """Send each part by itself, as far as the client takes it."""
        with contextlib.suppress(ConnectionError):
            for part in parts:
                self._socket.sendall(part)
                gevent.sleep(0)

    def is_closed_by_client(self) -> bool:
        """Wait until the client sends something or closes; return whether it has closed."""
        with gevent.Timeout(PATIENCE_SECONDS):
            return not self._read()

    def wait(self, seconds: float = PATIENCE_SECONDS) -> None:
        """Do nothing for a while, or until the server is taken down."""
        gevent.sleep(seconds)

    def close(self) -> None:
        """Close in order."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def reset(self) -> None:
        """Break the connection off."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()


class HostileServer:
    """Listens, and runs `script` with the peer of each connection; the connection is closed at the script's end."""

    def __init__(self, script: Script, *, host: str = "127.0.0.1") -> None:
        self.script = script
        self.requests: list[bytes] = []
        self.connections = 0
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = gevent.socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, 0))
        listener.listen(128)
        self.port: int = listener.getsockname()[1]
        named = f"[{host}]" if ":" in host else host
        self.url = f"http://{named}:{self.port}"
        self._server = StreamServer(listener, self._handle)
        self._running: set[Any] = set()

    def _handle(self, connection: Any, _address: Any) -> None:
        self.connections += 1
        peer = Peer(self, connection)
        self._running.add(gevent.getcurrent())
        try:
            self.script(peer)
        finally:
            self._running.discard(gevent.getcurrent())
            peer.close()

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()
        gevent.killall(list(self._running))


def answers(*parts: bytes) -> Script:
    """Return a script that answers every request on a connection with the same bytes, sent in these parts."""

    def script(peer: Peer) -> None:
        while peer.request():
            peer.send(*parts)

    return script


def answers_once(*parts: bytes) -> Script:
    """Return a script that answers one request and closes."""

    def script(peer: Peer) -> None:
        if peer.request():
            peer.send(*parts)

    return script


def ok(body: bytes = b"ok", *headers: str) -> bytes:
    """Return a plain response."""
    lines = "".join(f"{header}\r\n" for header in headers)
    return f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n{lines}\r\n".encode() + body
