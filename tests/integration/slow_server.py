"""A server that takes its time for every request, thousands a second, and notes what arrived.

Usage: slow_server.py SERVICE_TIME LOG_FILE. The service time is a number of seconds, or `lomax(MEAN,SHAPE)`: drawn, by a
seed of its own, from the Pareto law that begins at 0 (Lomax 1954), of a mean in seconds and a tail that falls as
x^-SHAPE; up to a shape of 2 its variance is infinite. Prints its port. In the log each request is a line `monotonic
seconds, the client's port, the path`, each new connection a line `connection`.

One thread, an epoll and a heap of the answers that are due.
"""

import contextlib
import heapq
import math
import random
import re
import select
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Replica: one\r\n\r\nok"
BACKLOG = 4096
LIFETIME_SECONDS = 600
SEED = 3


def service_time(text: str) -> Callable[[], float]:
    """Return what draws the service times, in seconds, that a text describes."""
    heavy = re.fullmatch(r"lomax\(([\d.]+),([\d.]+)\)", text)
    if heavy is None:
        seconds = float(text)
        return lambda: seconds
    mean, shape = map(float, heavy.groups())
    scale, draw = mean * (shape - 1), random.Random(SEED).random
    return lambda: scale * math.expm1(-math.log1p(-draw()) / shape)


class Client:
    """A connection: its socket, whence it came, what of a request has arrived, and whether one was said to be the last."""

    __slots__ = ("ends", "port", "received", "socket")

    def __init__(self, connection: socket.socket, port: int) -> None:
        self.socket = connection
        self.port = port
        self.received = b""
        self.ends = False


class Server:
    """Takes requests, and answers each when its time is over."""

    def __init__(self, draw: Callable[[], float], log: BinaryIO) -> None:
        self._draw = draw
        self._log = log
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
        self._listener.setblocking(False)
        self._clients: dict[int, Client] = {}
        self._due: list[tuple[float, int, Client]] = []
        self._requests = 0
        self._poll = select.epoll()
        self._poll.register(self._listener.fileno(), select.EPOLLIN)
        self.port: int = self._listener.getsockname()[1]

    def serve(self, until: float) -> None:
        """Serve until an instant of the monotonic clock."""
        listener = self._listener.fileno()
        while (now := time.monotonic()) < until:
            next_due = self._due[0][0] if self._due else until
            for number, _ in self._poll.poll(max(0.0, min(next_due, until) - now)):
                if number == listener:
                    self._accept()
                elif number in self._clients:
                    self._read(self._clients[number])
            self._answer()

    def _accept(self) -> None:
        with contextlib.suppress(BlockingIOError):
            for _ in range(BACKLOG):
                connection, (_, port) = self._listener.accept()
                connection.setblocking(False)
                self._log.write(b"connection\n")
                client = self._clients[connection.fileno()] = Client(connection, port)
                self._poll.register(connection.fileno(), select.EPOLLIN)
                self._read(client)

    def _read(self, client: Client) -> None:
        try:
            received = client.socket.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            received = b""
        if not received:
            self._close(client)
            return
        *requests, client.received = (client.received + received).split(b"\r\n\r\n")
        now = time.monotonic()
        for request in requests:
            client.ends = client.ends or b"connection: close" in request.lower()
            path = request.split(b" ", 2)[1]
            self._log.write(b"%.6f %d %s\n" % (now, client.port, path))
            self._requests += 1
            heapq.heappush(self._due, (now + self._draw(), self._requests, client))

    def _answer(self) -> None:
        now = time.monotonic()
        while self._due and self._due[0][0] <= now:
            client = heapq.heappop(self._due)[2]
            with contextlib.suppress(OSError):  # it is gone; that is read, too
                client.socket.send(ANSWER)
                if client.ends:
                    self._close(client)

    def _close(self, client: Client) -> None:
        if client.socket.fileno() >= 0:
            del self._clients[client.socket.fileno()]
            client.socket.close()


def main(service: str, log_file: str) -> None:
    with Path(log_file).open("wb", buffering=0) as log:
        server = Server(service_time(service), log)
        print(server.port, flush=True)
        server.serve(time.monotonic() + LIFETIME_SECONDS)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main(sys.argv[1], sys.argv[2])
