"""Connections that have no request on them: one visitor's between its requests, or with `--keep-alive` everybody's."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from swarm_ext.client.connection import Connection


class IdleConnections:
    """Connections by where they lead. There are at most as many as ever were in use at once."""

    __slots__ = ("_by_place", "_retired")

    def __init__(self) -> None:
        self._retired = False
        self._by_place: dict[tuple[str, int], list[Connection]] = {}

    def take(self, place: tuple[str, int]) -> Connection | None:
        """Return the connection that was used last: those that were not for long are what the server closes first."""
        connections = self._by_place.get(place)
        while connections:
            connection = connections.pop()
            if connection.is_open:
                return connection
        return None

    def put(self, place: tuple[str, int], connection: Connection) -> None:
        """Keep a connection that is good for another request."""
        if self._retired:
            connection.reset()
            return
        connections = self._by_place.get(place)
        if connections is None:
            self._by_place[place] = [connection]
        else:
            connections.append(connection)

    def close(self) -> None:
        """Close them all; more may come."""
        for connections in self._by_place.values():
            for connection in connections:
                connection.reset()
        self._by_place.clear()

    def retire(self) -> None:
        """Close them all for good: what is put here from now on is closed."""
        self._retired = True
        self.close()
