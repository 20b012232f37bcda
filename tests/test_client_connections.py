"""When a connection is used again, when it must not be, and what it leaves behind."""

from __future__ import annotations

import gc
from typing import Any

import gevent
import psutil
import pytest

from tests.client_visit import Reports, Visitors, visit
from tests.hostile_server import HostileServer, Peer, answers, answers_once, ok


def test_each_visitor_has_a_connection_of_its_own_unless_they_are_kept() -> None:
    with HostileServer(answers(ok())) as server:
        for keep_alive, connections in ((False, 3), (True, 4)):
            visitors = Visitors(server.url, keep_alive=keep_alive)
            for _ in range(3):
                with visitors.one() as (client, _):
                    client.get("/")
                    client.post("/", data="x")
            visitors.sessions.close()
            assert server.connections == connections


def test_as_many_connections_are_kept_as_were_in_use_at_once() -> None:
    def script(peer: Peer) -> None:
        while peer.request():
            gevent.sleep(0.05)
            peer.send(ok())

    with HostileServer(script) as server:
        visitors = Visitors(server.url, keep_alive=True)

        def be_one() -> None:
            with visitors.one() as (client, _):
                client.get("/")

        for _ in range(3):
            gevent.joinall([gevent.spawn(be_one) for _ in range(5)], raise_error=True)
        visitors.sessions.close()
        assert server.connections == 5


@pytest.mark.parametrize(
    "answer",
    [
        ok(b"ok", "Connection: close"),
        ok().replace(b"1.1", b"1.0"),
        ok() + b"and something that nobody asked for",
        ok() + ok(b"the answer to a question of somebody else"),
        b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello",
    ],
    ids=["Connection: close", "HTTP/1.0", "garbage behind", "another response behind", "204 with a body"],
)
def test_a_connection_is_not_used_again_after(answer: bytes) -> None:
    with (
        HostileServer(answers(answer)) as server,
        visit(server.url, keep_alive=True) as (client, reports),
    ):
        for i in range(1, 4):
            assert client.get("/").content in (b"ok", b"")
            assert reports.last["exception"] is None
            assert server.connections == i


def test_what_comes_when_nobody_waits_ends_the_connection() -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(ok())
        gevent.sleep(0.05)
        peer.send(ok(b"not asked for"))
        assert peer.is_closed_by_client()
        closed.set()

    closed = gevent.event.Event()
    with HostileServer(script) as server, visit(server.url, keep_alive=True) as (client, _):
        assert client.get("/").content == b"ok"
        assert closed.wait(20)
        assert client.get("/").content == b"ok"
    assert server.connections == 2


def test_a_connection_that_the_server_closed_meanwhile_is_not_tried() -> None:
    with (
        HostileServer(answers_once(ok())) as server,
        visit(server.url, keep_alive=True) as (client, reports),
    ):
        for _ in range(3):
            client.post("/", data=b"once")
            assert reports.last["exception"] is None
            gevent.sleep(0.05)
    assert len(server.requests) == 3


@pytest.mark.parametrize(("method", "retried"), [("GET", True), ("PUT", True), ("DELETE", True), ("POST", False), ("PATCH", False)])  # fmt: skip
@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_request_that_meets_a_stale_connection_is_made_again_if_that_is_safe(
    how: str, method: str, retried: bool
) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(ok())
        peer.request()
        if server.connections == 1:
            getattr(peer, how)()
        else:
            peer.send(ok(b"second connection"))

    with HostileServer(script) as server, visit(server.url, keep_alive=True) as (client, reports):
        client.get("/")
        response = client.request(method, "/", data="x")
        assert (response.status_code == 200) == retried
        assert server.connections == (2 if retried else 1)
        if not retried:
            assert reports.failure.endswith("without a response")


def test_a_request_is_made_again_only_once() -> None:
    def script(peer: Peer) -> None:
        peer.request()
        if server.connections == 1:
            peer.send(ok())
            peer.request()

    with HostileServer(script) as server, visit(server.url, keep_alive=True) as (client, reports):
        client.get("/")
        assert client.get("/").status_code == 0
        assert reports.failure == "closed without a response"
    assert server.connections == 2


def test_a_response_that_has_begun_is_not_asked_for_again() -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(ok())
        peer.request()
        peer.send(ok(b"x" * 500)[:-400])

    with HostileServer(script) as server, visit(server.url, keep_alive=True) as (client, reports):
        client.get("/")
        client.get("/")
        assert reports.failure == "closed after 100 of 500 bytes"
    assert server.connections == 1


@pytest.mark.parametrize("end", ["waits", "closes"])
def test_an_answer_before_the_request_is_all_sent_counts(end: str) -> None:
    def script(peer: Peer) -> None:
        peer.request_head()
        peer.send(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig")
        if end == "waits":
            peer.wait()

    with HostileServer(script) as server, visit(server.url, keep_alive=True) as (client, reports):
        for _ in range(2):
            response = client.put("/", data=b"x" * 30_000_000)
            assert (response.status_code, response.content) == (413, b"big")
            assert "code=413" in reports.failure
    assert server.connections == 2


def test_a_large_request_arrives_whole() -> None:
    body = bytes(range(256)) * 40_000
    with HostileServer(answers(ok())) as server, visit(server.url, keep_alive=True) as (client, reports):
        for _ in range(2):
            client.post("/", data=body)
            assert reports.last["exception"] is None
    assert [request.partition(b"\r\n\r\n")[2] == body for request in server.requests] == [True, True]
    assert server.connections == 1


def test_a_visitor_leaves_no_local_port_behind() -> None:
    reset = gevent.event.Event()

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(ok())
        peer.is_closed_by_client()
        reset.set()

    with HostileServer(script) as server:
        with visit(server.url) as (client, _):
            client.get("/")
        assert reset.wait(20)

        ends = [
            connection.status
            for connection in psutil.net_connections("tcp")
            if connection.raddr and connection.raddr.port == server.port
        ]
        assert "TIME_WAIT" not in ends


@pytest.mark.parametrize("how", ["release", "discard"])
def test_a_request_that_outlives_its_visit_leaves_no_connection_open(how: str) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        asked.set()
        assert visit_is_over.wait(20)
        peer.send(ok())
        assert peer.is_closed_by_client()
        closed.set()

    asked, visit_is_over, closed = (gevent.event.Event() for _ in range(3))
    with HostileServer(script) as server:
        sessions = Visitors(server.url).sessions
        session = sessions.acquire(None, Reports())
        straggler = gevent.spawn(session.get, "/slow")
        assert asked.wait(20)
        getattr(sessions, how)(session)
        visit_is_over.set()
        assert straggler.get(timeout=20).status_code == 200
        assert closed.wait(20)
        sessions.close()


def test_ipv6() -> None:
    with HostileServer(answers(ok()), host="::1") as server, visit(server.url) as (client, reports):
        assert client.get("/").content == b"ok"
        assert reports.last["url"] == f"http://[::1]:{server.port}/"
        assert f"Host: [::1]:{server.port}\r\n".encode() in server.requests[0]
    with visit(server.url) as (client, reports):
        client.get("/")
        assert reports.failure == f"connection refused by [::1]:{server.port}"


def test_what_comes_back_to_a_site_that_has_closed_is_closed() -> None:
    with HostileServer(answers(ok())) as server:
        visitors = Visitors(server.url, keep_alive=True)
        with visitors.one() as (client, _):
            visitors.sessions.close()
            client.get("/")
            client.get("/")
        assert server.connections == 2


def test_a_large_request_goes_on_after_an_interim_response_and_after_the_beginning_of_a_good_one() -> None:
    size = 20_000_000

    def script(peer: Peer) -> None:
        peer.request_head()
        peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        peer.wait(0.1)
        peer.send(b"HTTP/1.1 200 OK\r\n")
        peer.wait(0.1)
        length = len(peer.request())
        peer.send(b"Content-Length: 8\r\n\r\n%08d" % length)

    with HostileServer(script) as server, visit(server.url, network_timeout=5) as (client, reports):
        assert int(client.post("/", data=b"x" * size).content) > size
        assert reports.last["exception"] is None


def test_a_visit_leaves_nothing_to_the_garbage_collector() -> None:
    def be_one(path: str) -> None:
        visitor = Shopper()
        with visitors.one(visitor) as (visitor.client, _):
            visitor.client.get(path)
            with visitor.client.get(path, catch_response=True) as response:
                response.failure("no")

    class Shopper:
        client: Any = None

        def context(self) -> dict[str, Any]:
            return {}

    def script(peer: Peer) -> None:
        while request := peer.request():
            peer.send(ok() if b"/ok" in request else b"")
            if b"/ok" not in request:
                return

    with HostileServer(script) as server:
        for keep_alive in (False, True):
            visitors = Visitors(server.url, keep_alive=keep_alive)
            for path in ("/ok", "/closed"):
                be_one(path)
                gc.collect()
                gc.set_debug(gc.DEBUG_SAVEALL)
                try:
                    gevent.spawn(be_one, path).get()
                    gc.collect()
                    left = [
                        each
                        for each in gc.garbage
                        if type(each).__module__.startswith(("swarm_ext", "httptools"))
                    ]
                finally:
                    gc.set_debug(0)
                    gc.garbage.clear()
                assert left == []
            visitors.sessions.close()
