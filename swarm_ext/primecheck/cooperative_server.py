"""An HTTP server that computes in small chunks: one thread, many clients, and a CPU limit that it keeps exactly.

Requests in progress take turns, a chunk each, as threads on one core would; between chunks the server looks after its
sockets. So a response waits for nobody's interpreter lock, slow and silent clients cost no worker, and CPU time is
charged against the limit at least once a chunk. Standard library only: it is part of a container image.
"""

from __future__ import annotations

import select
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

from swarm_ext.primecheck.client_connection import LINGER_SECONDS, REQUEST_SECONDS, ClientConnection, Counters
from swarm_ext.primecheck.http_wire import BadRequest, Request, Response, take_request

if TYPE_CHECKING:
    from swarm_ext.primecheck.cpu_limit import CpuLimit

Computation = Generator[None, None, Response]
"""Yields after every chunk of work (1 ms of CPU at most) and returns the response."""

Handler = Callable[[Request], Response | Computation]

CONNECTIONS = 900
"""Connections held at once; more stay in the listening socket's backlog (1,024 descriptors are a common limit)."""

AHEAD = 900
"""Requests that may wait for a turn when the listening socket is this server's own."""

FIRST_REQUEST_SECONDS = 0.1
"""A connection just accepted reserves a turn for so long; after that its client is slow, and others are accepted."""

DRAIN_SECONDS = 8.0
"""A stopped server ends after so long, whatever is in progress: before the 10 s after which swarms kill."""

_TICK_SECONDS = 1.0
_ACCEPT_RETRY_SECONDS = 0.1


class ParentGoneError(Exception):
    """The process that supervises this one has ended: there is nobody left to serve for."""


class Parent(Protocol):
    """The process that supervises this one."""

    @property
    def lifeline(self) -> int:
        """A descriptor that nobody writes to; its end-of-file says that the parent has ended."""
        ...

    def tell(self, server: CooperativeServer) -> None:
        """Report how the server is, without blocking; may raise ParentGoneError."""
        ...


@dataclass(slots=True)
class _Turn:
    """A request in progress."""

    connection: ClientConnection
    computation: Computation
    keep_alive: bool


class CooperativeServer:
    """Serve `handle` on a listening socket until `stop` is called.

    `shared`: other processes accept from `listener` too, so this one accepts only when it is ready and one of its
    `concurrency` turns is free, and leaves the rest to them. On a socket of its own it takes on requests ahead of its
    turns, answers 503 until it is ready, and empties the backlog before it stops. It is ready when `start_up`, work
    in chunks, is exhausted. `parent` is told once a second, and when the server becomes ready.
    """

    def __init__(
        self,
        listener: socket.socket,
        handle: Handler,
        *,
        concurrency: int,
        shared: bool,
        limit: CpuLimit | None = None,
        start_up: Iterable[None] = (),
        parent: Parent | None = None,
    ) -> None:
        self.ready = False
        self.counters = Counters()
        self._listener = listener
        self._handle = handle
        self._concurrency = concurrency
        self._shared = shared
        self.limit = limit
        self._start_up = iter(start_up)
        self._parent = parent
        self._selector = selectors.DefaultSelector()
        self._wake_receiver, self._wake_sender = socket.socketpair()
        self._connections: set[ClientConnection] = set()
        self._fresh: dict[ClientConnection, float] = {}
        self._waiting: deque[_Turn] = deque()
        self._computing: deque[_Turn] = deque()
        self._listening = False
        self._accept_not_before = 0.0
        self._next_tick = time.monotonic() + _TICK_SECONDS
        self._stop_requested = False
        self._drain_deadline: float | None = None

    def stop(self) -> None:
        """Accept nothing more, finish what is in progress (bounded), and let `run` return; a second call cuts it off.

        May be called from a signal handler.
        """
        if self._stop_requested:
            self._drain_deadline = time.monotonic()
        self._stop_requested = True
        self._wake_sender.send(b"\0")

    def run(self) -> None:
        """Serve until stopped; close every socket. Raise ParentGoneError."""
        self._listener.settimeout(0)
        self._wake_sender.settimeout(0)
        self._selector.register(
            self._wake_receiver, selectors.EVENT_READ, lambda: self._wake_receiver.recv(64)
        )
        if self._parent is not None:
            self._selector.register(self._parent.lifeline, selectors.EVENT_READ, self._lose_parent)
        try:
            self._go_on_starting()
            while not self._finished():
                self._stand_still()
                self._choose_listening()
                for key, _ in self._selector.select(self._idle_seconds()):
                    key.data()
                self._compute()
                self._tick()
        finally:
            for connection in list(self._connections):
                connection.close()
            self._selector.close()
            for sock in (self._listener, self._wake_receiver, self._wake_sender):
                sock.close()

    def _lose_parent(self) -> None:
        raise ParentGoneError

    def _finished(self) -> bool:
        if self._stop_requested and self._drain_deadline is None:
            self._begin_to_drain()
        if self._drain_deadline is None:
            return False
        return time.monotonic() >= self._drain_deadline or all(c.lingering for c in self._connections)

    def _begin_to_drain(self) -> None:
        """Take on what has certainly been sent to this server and to no other, and close what is idle."""
        now = time.monotonic()
        self._drain_deadline = now + DRAIN_SECONDS
        self._choose_listening()
        while not self._shared and len(self._connections) < CONNECTIONS and self._accept():
            pass
        self._listener.close()
        for connection in list(self._connections):
            if connection.deadline is not None and connection.may_serve:
                connection.deadline = min(connection.deadline, now + LINGER_SECONDS)
                connection.receive()

    def _stand_still(self) -> None:
        """Do nothing at all while throttled, as the kernel would have it, but notice that the parent is gone."""
        while self.limit is not None and (wait_ns := self.limit.charge()):
            lifeline = [] if self._parent is None else [self._parent.lifeline]
            if select.select(lifeline, [], [], wait_ns / 1e9)[0]:
                self._lose_parent()

    def _choose_listening(self) -> None:
        now = time.monotonic()
        for connection in [c for c, until in self._fresh.items() if until <= now]:
            del self._fresh[connection]
        taken_on = len(self._computing) + len(self._waiting) + len(self._fresh)
        wanted = (
            not self._stop_requested
            and (self.ready or not self._shared)
            and taken_on < self._concurrency + (0 if self._shared else AHEAD)
            and len(self._connections) < CONNECTIONS
            and now >= self._accept_not_before
        )
        if wanted and not self._listening:
            self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        elif self._listening and not wanted:
            self._selector.unregister(self._listener)
        self._listening = wanted

    def _idle_seconds(self) -> float:
        if self._computing or self._waiting or not self.ready:
            return 0.0
        pause = max(0.0, self._next_tick - time.monotonic())
        return pause if self._listening else min(pause, _ACCEPT_RETRY_SECONDS)

    def _accept(self) -> bool:
        """Accept one connection, no more: the next one may suit another process of a shared socket better."""
        now = time.monotonic()
        try:
            sock, _ = self._listener.accept()
        except (BlockingIOError, ConnectionAbortedError, InterruptedError):
            return False
        except OSError:  # out of descriptors or memory: the connection stays queued
            self._accept_not_before = now + _ACCEPT_RETRY_SECONDS
            return False
        connection = ClientConnection(sock, self._selector, self.counters, self._serve, self._forget)
        self._connections.add(connection)
        self._fresh[connection] = now + FIRST_REQUEST_SECONDS
        connection.receive()
        return True

    def _forget(self, connection: ClientConnection) -> None:
        self._connections.discard(connection)
        self._fresh.pop(connection, None)

    def _serve(self, connection: ClientConnection) -> None:
        """Begin the requests that are complete, until one has to be computed, or the client has to do something."""
        while connection.may_serve:
            try:
                request = take_request(connection.received)
            except BadRequest as refusal:
                self._answer(connection, Response(refusal.status, {"error": refusal.text}), keep_alive=False)
                return
            if request is None:
                self._await_request(connection)
                return
            self._fresh.pop(connection, None)
            self.counters.requests += 1
            outcome = self._begin(request)
            if not isinstance(outcome, Response):
                connection.pause()
                self._waiting.append(_Turn(connection, outcome, request.keep_alive))
                return
            self._answer(connection, outcome, keep_alive=request.keep_alive)

    def _begin(self, request: Request) -> Response | Computation:
        if not self.ready:
            return Response(HTTPStatus.SERVICE_UNAVAILABLE, {"error": "starting: not ready yet; try again"})
        return self._handle(request)

    def _await_request(self, connection: ClientConnection) -> None:
        if self._stop_requested and connection.answered and not connection.received:
            connection.close()
        else:
            connection.expect_more()

    def _answer(self, connection: ClientConnection, response: Response, *, keep_alive: bool) -> None:
        close = self._stop_requested or not keep_alive
        connection.send(response.encode(close=close), close=close)

    def _go_on_starting(self) -> None:
        if not self.ready and next(self._start_up, self) is self:
            self.ready = True
            self._tell_parent()

    def _compute(self) -> None:
        """Give one chunk of CPU to starting up, and one to the request whose turn it is."""
        self._go_on_starting()
        while self._waiting and len(self._computing) < self._concurrency:
            self._computing.append(self._waiting.popleft())
        if not self._computing:
            return
        turn = self._computing.popleft()
        try:
            next(turn.computation)
        except StopIteration as done:
            self._answer(turn.connection, done.value, keep_alive=turn.keep_alive)
            self._serve(turn.connection)
        else:
            self._computing.append(turn)

    def _tick(self) -> None:
        now = time.monotonic()
        if now < self._next_tick:
            return
        self._next_tick = now + _TICK_SECONDS
        for connection in [c for c in self._connections if c.deadline is not None and now >= c.deadline]:
            if connection.received and connection.may_serve:
                late = {"error": f"the request was not complete after {REQUEST_SECONDS:g} s; send it faster"}
                self._answer(connection, Response(HTTPStatus.REQUEST_TIMEOUT, late), keep_alive=False)
            else:
                connection.close()
        self._tell_parent()

    def _tell_parent(self) -> None:
        if self._parent is not None:
            self._parent.tell(self)
