"""Names to addresses: resolved once every few seconds and never per request, and used in turn.

gevent's resolver runs in threads, and so never holds up the loop. Only the first request to a name waits for it; after
`TTL_SECONDS` the addresses known serve on while they are looked up again, so replicas that come and go in the DNS are
followed. An address that cannot be connected to rests until then, if there is another.
"""

from __future__ import annotations

import socket
import time

import gevent
import gevent.socket
from gevent.event import Event

from swarm_ext.client.address import Address
from swarm_ext.client.failures import NotConnectedError, TimedOutError

TTL_SECONDS = 5.0
"""How long addresses are used before they are looked up again; the system's resolver does not tell the DNS's own TTL."""

FAILURE_TTL_SECONDS = 1.0
"""How long a name that could not be resolved is not tried again."""


class Resolver:
    """The addresses of every name that is asked for."""

    def __init__(self) -> None:
        self._names: dict[tuple[str, int], _Name] = {}

    def addresses(self, host: str, port: int, seconds: float | None) -> list[Address]:
        """Return the addresses of a host, another one first each time.

        Raise NotConnectedError if there are none, TimedOutError if none is known after `seconds`, None being no limit.
        """
        name = self._names.get((host, port))
        if name is None:
            name = self._names[host, port] = _Name(host, port)
        return name.in_turn(seconds)

    def rest(self, host: str, port: int, address: Address) -> None:
        """Leave an address out until the name is looked up again, unless it is the only one."""
        self._names[host, port].rest(address)


class _Name:
    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._found: list[Address] = []
        self._next = 0
        self._failure = ""
        self._fresh_until = 0.0
        self._looked_up: Event | None = None

    def in_turn(self, seconds: float | None) -> list[Address]:
        if time.monotonic() >= self._fresh_until:
            self._refresh(seconds)
        found = self._found
        if len(found) == 1:
            return found
        if not found:
            raise NotConnectedError(self._failure)
        self._next = first = (self._next + 1) % len(found)
        return found[first:] + found[:first]

    def rest(self, address: Address) -> None:
        rested = [each for each in self._found if each != address]
        self._found = rested or self._found

    def _refresh(self, seconds: float | None) -> None:
        if self._looked_up is None:
            self._looked_up = Event()
            gevent.spawn(self._look_up, self._looked_up)
        if not self._found and not self._looked_up.wait(seconds):
            raise TimedOutError(f"the name {self._host!r} was not resolved within {seconds:g} s")

    def _look_up(self, done: Event) -> None:
        try:
            answers = gevent.socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        except OSError as error:
            self._failure = f"the name {self._host!r} cannot be resolved: {error.strerror or error}"
            self._fresh_until = time.monotonic() + FAILURE_TTL_SECONDS
        else:
            self._found = list(
                dict.fromkeys(Address(family, sockaddr) for family, _, _, _, sockaddr in answers)
            )
            self._fresh_until = time.monotonic() + TTL_SECONDS
        finally:
            self._looked_up = None
            done.set()
