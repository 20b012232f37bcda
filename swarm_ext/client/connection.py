"""One TCP connection: a non-blocking socket on gevent's loop, waited for by one greenlet at a time.

It uses the operating system's socket (`_socket`), the loop's watchers and the hub's switch directly: gevent's own socket
objects, with a timer and a watcher started and stopped for each call, cost more than twice as much CPU per request.

Once a response has been waited for, the watcher for reading stays started as long as the connection lives, so that a
kept connection costs no call to epoll per request. It also sees when the server closes a connection that lies idle.

A connection ends by a reset, when the last response is complete, and leaves its socket to the next (`spare.py`); where that
is not to be had the socket is closed with `SO_LINGER` of 0. Who closes first otherwise keeps the
local port for a minute (TIME_WAIT), and there are 28,232 to one address and port. Measured towards a host in a network
namespace, one core, as fast as it went: reset 4,400 connections/s at 102 µs of CPU time each; waiting for the server's
FIN 3,600/s at 114 µs, and it needs a server that closes first; plain close 474/s at 1,622 µs, as the system searches for
free ports. With resets 282,696 connections in 60 s had no error, and left no port taken.
"""

from __future__ import annotations

import _socket
import errno
import os
import socket
import struct
from typing import TYPE_CHECKING, Any

from gevent import get_hub, getcurrent

from swarm_ext.client.failures import lost, not_connected
from swarm_ext.client.reader import ResponseReader
from swarm_ext.client.spare import Spare, SpareSockets

if TYPE_CHECKING:
    from swarm_ext.client.address import Address
    from swarm_ext.client.patience import Endless, Patience

_READ, _WRITE = 1, 2
_FIRST_ERROR = 400
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_BUFFER = bytearray(64 * 1024)
_VIEW = memoryview(_BUFFER)
"""What arrives is parsed before anything else happens, so one buffer does for all connections of the process."""


class TimeIsUp(Exception):  # noqa: N818 - it becomes a TimedOutError where it is known how far things had come
    """Raised where somebody has waited long enough."""


class Connection:
    """A connection to one address, and the `reader` of its responses. After an error it is good for nothing but `close`."""

    __slots__ = (
        "_greenlet",
        "_hub",
        "_socket",
        "_spares",
        "_watcher",
        "address",
        "is_open",
        "reader",
        "sent",
    )

    def __init__(self, address: Address, spares: SpareSockets) -> None:
        """Take a spare socket for an address, or make one; raise NotConnectedError if the system has none."""
        self.address = address
        self.sent = 0
        self._spares = spares
        self._hub = get_hub()
        self._greenlet: Any = None
        self._watcher: Any = None
        spare = spares.take(address.family)
        if spare is not None:
            self._socket, self._watcher, self.reader = spare
        else:
            try:
                self._socket = _socket.socket(address.family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            except OSError as error:
                raise not_connected(error, address) from None
            self.reader = ResponseReader()
        self.is_open = True

    def connect(self, first: bytes, patience: Patience | Endless) -> int:
        """Connect, and send what the system takes of `first` at once; return how many bytes that was.

        A server nearby has often accepted before the call returns: then there is nothing to wait for before sending.
        Raise NotConnectedError, or TimeIsUp.
        """
        code = self._socket.connect_ex(self.address.sockaddr)
        if code in (0, errno.EINPROGRESS):
            try:
                return self._socket.send(first)
            except BlockingIOError:
                self._wait_for(_WRITE, patience)
                code = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            except OSError as error:
                raise not_connected(error, self.address) from None
        if code:
            raise not_connected(OSError(code, os.strerror(code)), self.address)
        return 0

    def send(self, data: bytes, patience: Patience | Endless) -> None:
        """Send `data` from `sent` on: not to its end if the server answers that it is of no use, or closes.

        Raise TimeIsUp if the server takes nothing for too long, else as `receive`.
        """
        size = len(data)
        while self.sent < size:
            try:
                self.sent += self._socket.send(memoryview(data)[self.sent :] if self.sent else data)
            except BlockingIOError:
                if self._wait_for(_READ | _WRITE, patience) & _READ and self._is_refused():
                    break
            except OSError:
                break  # there may be an answer that says why; if not, receiving fails too

    def _is_refused(self) -> bool:
        """Read what came before the request was all sent; return whether the rest of it is of no use.

        It is of use after an interim response, and also after the beginning of a good one: that server still reads.
        """
        reader = self.reader
        return self._read() and (reader.complete or reader.status >= _FIRST_ERROR)

    def receive(self, patience: Patience | Endless) -> None:
        """Wait for more of the response, and have it read.

        Raise ConnectionLostError, BadResponseError, or TimeIsUp.
        """
        if self._watcher is None:
            self._watcher = self._hub.loop.io(self._socket.fileno(), _READ)
        if not self._watcher.active:
            self._watcher.start(self._on_readable)
        self._wait(patience)
        while not self._read():
            self._wait(patience)

    def _read(self) -> bool:
        """Have the reader read what has arrived; return whether there was anything, be it the end."""
        try:
            size = self._socket.recv_into(_BUFFER)
        except BlockingIOError:
            return False
        except OSError as error:
            raise lost(error, self.reader.progress()) from None
        if size:
            self.reader.feed(_VIEW[:size], size)
        elif not self.reader.end_of_stream():
            raise lost(None, self.reader.progress())
        return True

    def close(self) -> None:
        """Close it as TCP has it. Idempotent."""
        if self.is_open:
            self.is_open = False
            if self._watcher is not None:
                self._watcher.close()
            self._socket.close()
            self.reader.close()

    def reset(self) -> None:
        """End it at once and for good: the system keeps nothing of it, in particular no local port for a minute."""
        if self.is_open and not self._spare():
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            self.close()

    def _spare(self) -> bool:
        """Dissolve it and leave its socket to the next, if it ends with a whole response; return False if it is still open."""
        if self._watcher is None or not self.reader.reusable:
            return False
        self._watcher.stop()
        spare = Spare(self._socket, self._watcher, self.reader)
        self.is_open = not self._spares.put(self.address.family, spare)
        return not self.is_open

    def expire(self) -> None:
        """End a wait that took too long."""
        if self._greenlet is not None:
            self._greenlet.throw(TimeIsUp)

    def _wait_for(self, events: int, patience: Patience | Endless) -> Any:
        watcher = self._hub.loop.io(self._socket.fileno(), events)
        watcher.start(self._on_ready, pass_events=True)
        try:
            return self._wait(patience)
        finally:
            watcher.close()

    def _wait(self, patience: Patience | Endless) -> Any:
        self._greenlet = getcurrent()
        patience.begin(self)
        try:
            return self._hub.switch()
        finally:
            self._greenlet = None
            patience.end(self)

    def _on_ready(self, events: int) -> None:
        if self._greenlet is not None:
            self._greenlet.switch(events)

    def _on_readable(self) -> None:
        if self._greenlet is not None:
            self._greenlet.switch(_READ)
        else:
            self.close()  # it lies idle: the server closed it, or sent what nobody asked for
