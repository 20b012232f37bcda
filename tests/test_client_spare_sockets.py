"""A socket makes one connection after the other, each a new one to the server, and none is left when all is over."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import gevent
import psutil
import pytest

from swarm_ext.client import spare
from swarm_ext.client.spare import SpareSockets
from tests.client_visit import Reports, Visitors
from tests.hostile_server import HostileServer, answers, ok

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.hostile_server import Peer

PATIENCE_SECONDS = 30


class Ends:
    """A server's script that answers every request, and notes each connection's port, and how many are over."""

    def __init__(self) -> None:
        self.ports: list[int] = []
        self.over = 0

    def __call__(self, peer: Peer) -> None:
        self.ports.append(peer._socket.getpeername()[1])
        while peer.request():
            peer.send(ok())
        self.over += 1

    def wait_for(self, count: int) -> bool:
        """Whether so many are over soon."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.over < count and time.monotonic() < deadline:
            gevent.sleep(0.01)
        return self.over == count


def lingering(port: int) -> set[tuple[object, object]]:
    """The two ends of each connection of this machine, to and from a port, that is in TIME_WAIT."""
    return {
        (each.laddr, each.raddr)
        for each in psutil.net_connections("tcp")
        if each.status == psutil.CONN_TIME_WAIT
        and port in {end.port for end in (each.laddr, each.raddr) if end}
    }


def sockets() -> int:
    """How many sockets this process has open."""
    found = 0
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            found += str(descriptor.readlink()).startswith("socket:")
        except FileNotFoundError:  # the listing's own
            continue
    return found


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A number in it for each socket that a client's connection is given new."""
    found: list[int] = []
    take = SpareSockets.take

    def counted(self: SpareSockets, family: int) -> object:
        one = take(self, family)
        if one is None:
            found.append(family)
        return one

    monkeypatch.setattr(SpareSockets, "take", counted)
    return found


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_each_visitors_connection_is_a_new_one_to_the_server_and_the_old_one_is_reset(
    made: list[int], host: str
) -> None:
    ends = Ends()
    with HostileServer(ends, host=host) as server:
        of_others = lingering(server.port)  # of processes that had this port before
        visitors = Visitors(server.url)
        for _ in range(20):
            with visitors.one() as (client, reports):
                assert client.get("/").content == b"ok"
                assert reports.last["exception"] is None
        assert ends.wait_for(20)
        assert lingering(server.port) <= of_others
        visitors.sessions.close()
    assert len(made) == 1, "one socket made them all"
    assert len(set(ends.ports)) > 10  # the system may give one a second time
    assert server.connections == 20


def test_a_socket_goes_from_one_server_to_another(made: list[int]) -> None:
    with HostileServer(answers(ok(b"one"))) as one, HostileServer(answers(ok(b"two"))) as two:
        visitors = Visitors(one.url)
        for _ in range(3):
            with visitors.one() as (client, _):
                assert client.get("/").content == b"one"
            with visitors.one() as (client, _):
                assert client.get(f"{two.url}/").content == b"two"
        visitors.sessions.close()
    assert len(made) == 1
    assert (one.connections, two.connections) == (3, 3)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok, and more",
        b"HTTP/1.1 200 OK\r\nContent-Length: nonsense\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: other\r\nConnection: upgrade\r\n\r\n",
    ],
)
def test_a_socket_whose_last_word_was_no_plain_response_is_closed(made: list[int], answer: bytes) -> None:
    with HostileServer(answers(answer)) as server:
        visitors = Visitors(server.url)
        for _ in range(3):
            with visitors.one() as (client, _):
                client.get("/")
        server.script = answers(ok())
        with visitors.one() as (client, _):
            assert client.get("/").content == b"ok"
        visitors.sessions.close()
    assert len(made) == 4


def test_a_refused_connection_does_not_spoil_the_next(made: list[int]) -> None:
    with HostileServer(answers(ok())) as server:
        visitors = Visitors(server.url)
        for _ in range(3):
            with visitors.one() as (client, reports):
                assert client.get("/").status_code == 200
                client.get("http://127.0.0.1:1/")
                assert "connection refused" in reports.failure
        visitors.sessions.close()


def test_an_unread_rest_of_a_body_is_not_the_next_ones_beginning() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"
    with HostileServer(answers(head, b"first", b"last")) as server:
        visitors = Visitors(server.url)
        for _ in range(10):
            with visitors.one() as (client, _):
                assert client.get("/").content == b"firstlast"
            with visitors.one() as (client, _):
                assert client.head("/").content == b""
        visitors.sessions.close()


def test_nothing_is_open_once_the_sessions_are_closed_and_what_ends_later_is_closed_too() -> None:
    go_on = gevent.event.Event()

    def slow(peer: Peer) -> None:
        peer.request()
        assert go_on.wait(PATIENCE_SECONDS)
        peer.send(ok())
        peer.is_closed_by_client()

    with HostileServer(slow) as server:
        before = sockets()
        visitors = Visitors(server.url)
        clients = [visitors.sessions.acquire(None, Reports()) for _ in range(10)]
        requests = [gevent.spawn(client.get, "/") for client in clients]
        gevent.sleep(0.1)
        visitors.sessions.close()
        go_on.set()
        gevent.joinall(requests, timeout=PATIENCE_SECONDS)
        for client in clients:
            visitors.sessions.release(client)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while sockets() > before and time.monotonic() < deadline:
            gevent.sleep(0.01)  # the server's ends
        assert sockets() == before


def test_no_more_sockets_wait_than_may(monkeypatch: pytest.MonkeyPatch, made: list[int]) -> None:
    monkeypatch.setattr(spare, "MOST_OF_A_FAMILY", 3)
    ends = Ends()
    with HostileServer(ends) as server:
        visitors = Visitors(server.url)
        for _ in range(2):
            clients = [visitors.sessions.acquire(None, Reports()) for _ in range(8)]
            gevent.joinall([gevent.spawn(client.get, "/") for client in clients], timeout=PATIENCE_SECONDS)
            for client in clients:
                visitors.sessions.release(client)
        assert ends.wait_for(16)
        visitors.sessions.close()
    assert len(made) == 8 + 5


def test_a_socket_that_waits_does_not_keep_the_loop_busy() -> None:
    with HostileServer(answers(ok())) as server:
        visitors = Visitors(server.url)
        clients = [visitors.sessions.acquire(None, Reports()) for _ in range(50)]
        gevent.joinall([gevent.spawn(client.get, "/") for client in clients], timeout=PATIENCE_SECONDS)
        for client in clients:
            visitors.sessions.release(client)
        gevent.sleep(0.2)
        turns = iterations()
        gevent.sleep(0.5)
        assert turns() < 100
        visitors.sessions.close()


def iterations() -> Callable[[], int]:
    """Count the turns of the loop from now on; the function returned tells how many there were."""
    found: list[int] = []
    watcher = gevent.get_hub().loop.prepare()
    watcher.start(lambda: found.append(1))

    def count() -> int:
        watcher.stop()
        watcher.close()
        return len(found)

    return count


def test_where_a_connection_cannot_be_dissolved_it_is_reset_and_its_socket_closed(
    monkeypatch: pytest.MonkeyPatch, made: list[int]
) -> None:
    make = SpareSockets.__init__

    def without(self: SpareSockets) -> None:
        make(self)
        self._connect = lambda *_: -1

    monkeypatch.setattr(SpareSockets, "__init__", without)
    ends = Ends()
    with HostileServer(ends) as server:
        visitors = Visitors(server.url)
        for _ in range(3):
            with visitors.one() as (client, _):
                assert client.get("/").content == b"ok"
        assert ends.wait_for(3)
        visitors.sessions.close()
    assert len(made) == 3
