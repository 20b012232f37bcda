"""Where Locust's own client does as the lean one: through a proxy, over TLS, and for bodies in pieces."""

from __future__ import annotations

import errno
import socket
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import gevent
import gevent.socket
import pytest

from swarm_ext.client.fast_failures import of_the_body, of_the_exchange, while_connecting
from tests.client_visit import Visitors, visit
from tests.hostile_server import HostileServer, Peer, answers, answers_once, ok
from tests.test_client_failures import BROKEN_OFF

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def unanswering_port() -> Iterator[int]:
    """A port of 127.0.0.1 that drops whoever wants to connect: more wait already than it has room for."""
    with ExitStack() as opened:
        listener = opened.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            waiting = opened.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


@pytest.mark.parametrize("keep_alive", [False, True])
def test_requests_of_one_arrival_are_in_flight_at_the_same_time(keep_alive: bool) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        if len(server.requests) == 4:
            all_there.set()
        assert all_there.wait(20)
        peer.send(ok())

    all_there = gevent.event.Event()
    with (
        HostileServer(script) as server,
        visit("http://shop.test", keep_alive=keep_alive, proxy_host="127.0.0.1", proxy_port=server.port) as (
            client,
            reports,
        ),
    ):
        getting = [gevent.spawn(client.get, "/") for _ in range(4)]
        gevent.joinall(getting, timeout=20, raise_error=True)
        assert [report["exception"] for report in reports.fired] == [None] * 4


def test_a_stream_that_is_not_read_does_not_hold_up_the_next() -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(ok(b"x" * 100)[:-50])
        peer.is_closed_by_client()

    with HostileServer(script) as server, visit(server.url, network_timeout=5) as (client, reports):
        unread = [client.get("/stream", stream=True, timeout=5) for _ in range(2)]
        assert [report["exception"] for report in reports.fired] == [None, None]
        assert [response.status_code for response in unread] == [200, 200]


@pytest.mark.parametrize(("method", "times"), [("GET", 2), ("POST", 1)])
def test_a_request_without_an_answer_is_made_again_once_if_that_is_safe(method: str, times: int) -> None:
    with (
        HostileServer(lambda peer: peer.request()) as server,
        visit("http://shop.test", proxy_host="127.0.0.1", proxy_port=server.port) as (client, reports),
    ):
        client.request(method, "/")
        assert reports.last["exception"] is not None
    assert len(server.requests) == times


@pytest.mark.parametrize(("part", "words"), BROKEN_OFF)
@pytest.mark.parametrize("caught", [False, True])
def test_a_response_that_breaks_off_is_told_as_that_over_http(part: bytes, words: str, caught: bool) -> None:
    with (
        HostileServer(answers_once(part)) as server,
        visit("http://shop.test", proxy_host="127.0.0.1", proxy_port=server.port) as (client, reports),
    ):
        response = client.post("/", catch_response=caught)
        if caught:
            with response:
                pass
        assert (response.status_code, response.content) == (0, None)
        assert reports.failure == f"closed {words}"
        assert isinstance(response.error, ConnectionError)


@pytest.mark.parametrize(
    "read",
    [lambda response: response.content, lambda response: list(response.iter_content(100))],
    ids=["content", "iter_content"],
)
@pytest.mark.parametrize("caught", [False, True])
def test_a_stream_that_breaks_off_is_told_as_that(read: Callable[[Any], Any], caught: bool) -> None:
    with HostileServer(answers_once(ok(b"x" * 500)[:-380])) as server, visit(server.url) as (client, _):
        response = client.get("/", stream=True, catch_response=caught)
        with pytest.raises(ConnectionError, match="closed after 120 of 500 bytes"):
            read(response)


@pytest.mark.parametrize("caught", [False, True])
def test_a_stream_that_did_not_come_is_told_as_that(caught: bool) -> None:
    with visit("http://127.0.0.1:1") as (client, _):
        response = client.get("/", stream=True, catch_response=caught)
        with pytest.raises(ConnectionError, match=r"connection refused by 127\.0\.0\.1:1"):
            list(response.iter_content())


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (b"", "no response within 0.2 s"),
        (ok(b"x" * 500)[:-380], "nothing more within 0.2 s, after 120 of 500 bytes"),
    ],
)
def test_silence_is_told_by_how_far_things_had_come(part: bytes, words: str) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(part)
        peer.is_closed_by_client()

    with (
        HostileServer(script) as server,
        visit("http://shop.test", network_timeout=0.2, proxy_host="127.0.0.1", proxy_port=server.port) as (
            client,
            reports,
        ),
    ):
        assert isinstance(client.get("/").error, TimeoutError)
        assert reports.failure == words


def test_a_proxy_or_a_name_that_is_not_there_is_told() -> None:
    with visit("http://shop.test", proxy_host="127.0.0.1", proxy_port=1) as (client, reports):
        client.get("/")
        assert reports.failure == "connection refused by 127.0.0.1:1"
    with visit("https://no-such-host.invalid") as (client, reports):
        client.get("/")
        assert reports.failure.startswith("the name 'no-such-host.invalid' cannot be resolved: ")
        with pytest.raises(ValueError, match=r"^the host 'no\.\.name' is not a name: "):
            client.get("https://no..name/")
    with visit("http://shop.test", proxy_host="no..name", proxy_port=3128) as (client, reports):
        client.get("/")
        assert reports.failure.startswith("the host 'no..name' is not a name: ")
    refused = answers(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
    with (
        HostileServer(refused) as server,
        visit("https://shop.test", proxy_host="127.0.0.1", proxy_port=server.port) as (client, reports),
    ):
        client.get("/")
        assert reports.failure.startswith(f"no connection through 127.0.0.1:{server.port}: ")
        assert "403" in reports.failure


@pytest.mark.parametrize(
    ("host", "first_line", "told"),
    [
        ("http://[::1]:8080", "GET http://[::1]:8080/x HTTP/1.1", "[::1]:8080"),
        ("http://[fe80::1%25eth0]", "GET http://[fe80::1]:80/x HTTP/1.1", "[fe80::1]"),
        ("https://[::1]", "CONNECT [::1]:443 HTTP/1.1", "[::1]:443"),
    ],
)
def test_a_proxy_is_told_of_an_address_in_brackets(host: str, first_line: str, told: str) -> None:
    with (
        HostileServer(answers(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")) as server,
        visit(host, proxy_host="127.0.0.1", proxy_port=server.port) as (client, _),
    ):
        client.get("/x")
    line, *headers = server.requests[0].decode().split("\r\n")
    assert line == first_line
    assert f"Host: {told}" in headers


def test_what_this_machine_lacks_is_told_with_its_remedy() -> None:
    place = ("shop.test", 443)
    shortage = while_connecting(OSError(errno.EMFILE, "Too many open files"), place, place, 60)
    assert "out of file descriptors" in str(shortage)
    assert "ulimit -n" in str(shortage)


@pytest.mark.parametrize("seconds", [300, None])
def test_where_the_system_gives_up_no_limit_is_named(seconds: float | None) -> None:
    place = ("shop.test", 443)
    gave_up = OSError(errno.ETIMEDOUT, "Connection timed out")
    assert repr(while_connecting(gave_up, place, place, seconds)) == (
        "no connection to shop.test:443: the system gave up"
    )
    assert repr(of_the_exchange(gave_up, seconds)) == (
        "connection lost without a response: Connection timed out"
    )
    assert repr(of_the_body(gave_up, 120, 500, seconds)) == (
        "connection lost after 120 of 500 bytes: Connection timed out"
    )


def test_redirects_without_end_are_told() -> None:
    there = answers(b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n")
    with (
        HostileServer(there) as server,
        visit("http://shop.test", max_redirects=3, proxy_host="127.0.0.1", proxy_port=server.port) as (
            client,
            reports,
        ),
    ):
        client.get("/")
        assert reports.failure == "more than 3 redirects"
        assert client.get("/", allow_redirects=False).status_code == 302


@pytest.mark.parametrize("proxied", [False, True])
def test_where_no_redirects_are_allowed_one_is_a_failed_request(proxied: bool) -> None:
    there = answers(b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n")
    with HostileServer(there) as server:
        proxy = {"proxy_host": "127.0.0.1", "proxy_port": server.port} if proxied else {}
        with visit(server.url, max_redirects=0, **proxy) as (client, reports):
            assert client.get("/").status_code == 0
            assert reports.failure == "more than 0 redirects"
            assert client.get("/", allow_redirects=False).status_code == 302
            assert reports.last["exception"] is None


@pytest.mark.parametrize("proxied", [False, True])
@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("http://[::1", "Invalid IPv6 URL"),
        ("https://shop.test:99999/x", "Port out of range"),
        ("https://shop.test//x", "the path '//x' begins with //"),
    ],
)
def test_a_redirect_to_nowhere_is_a_failed_request(proxied: bool, location: str, words: str) -> None:
    moved = f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()
    with HostileServer(answers(moved)) as server:
        proxy = {"proxy_host": "127.0.0.1", "proxy_port": server.port} if proxied else {}
        with visit(server.url, **proxy) as (client, reports):
            assert client.get("/").status_code == 0
            assert reports.failure.startswith(f"redirected to nowhere: {words}")


def test_an_error_with_a_body_that_is_no_text_is_told_by_its_status() -> None:
    soon = b"HTTP/1.1 503 Soon\r\nContent-Length: 2\r\n\r\n\xff\xfe"
    with (
        HostileServer(answers(soon)) as server,
        visit("http://shop.test", proxy_host="127.0.0.1", proxy_port=server.port) as (client, reports),
    ):
        response = client.get("/")
        assert (response.status_code, response.content) == (503, b"\xff\xfe")
        assert "code=503" in reports.failure


def test_a_tasks_own_timeout_ends_a_request_of_either_client() -> None:
    with HostileServer(lambda peer: peer.wait()) as server:
        for proxy in ({}, {"proxy_host": "127.0.0.1", "proxy_port": server.port}):
            with visit(server.url, **proxy) as (client, reports):
                with gevent.Timeout(0.2, False):
                    client.get("/")
                    raise AssertionError("not reached")
                assert reports.fired == []


@pytest.mark.parametrize(
    ("option", "words"), [("verify", "insecure = False"), ("allow_redirect", "allow_redirects")]
)
@pytest.mark.parametrize("host", ["http://127.0.0.1:1", "https://127.0.0.1:1"])
def test_an_option_that_there_is_not_is_a_mistake_that_is_told(host: str, option: str, words: str) -> None:
    with (
        visit(host) as (client, reports),
        pytest.raises(TypeError, match=f"no option '{option}'.*{words}"),
    ):
        client.get("/", **{option: False})
    assert reports.fired == []


def test_a_name_is_looked_up_once_for_all_arrivals(monkeypatch: pytest.MonkeyPatch) -> None:
    def counted(host: str, *arguments: Any, **options: Any) -> Any:
        asked.append(host)
        return look_up(host, *arguments, **options)

    asked: list[str] = []
    look_up = gevent.socket.getaddrinfo
    monkeypatch.setattr(gevent.socket, "getaddrinfo", counted)
    with HostileServer(answers(ok())) as server:
        visitors = Visitors("http://shop.test", proxy_host="localhost", proxy_port=server.port)
        for _ in range(5):
            with visitors.one() as (client, reports):
                client.get("/")
                assert reports.last["exception"] is None
    assert asked.count("localhost") == 1
    assert server.connections == 5


def test_a_timeout_bounds_all_addresses_of_a_name_together(monkeypatch: pytest.MonkeyPatch) -> None:
    with HostileServer(answers(ok())) as server, unanswering_port() as silent:
        addresses = [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in (server.port, silent)
        ]
        monkeypatch.setattr(gevent.socket, "getaddrinfo", lambda *_, **__: addresses)
        with visit("http://shop.test", proxy_host="proxy.test", proxy_port=3128) as (client, reports):
            client.get("/", timeout=0.3)  # the second address comes first
            assert reports.failure == "not complete within 0.3 s"
            assert client.get("/").text == "ok"
        assert server.connections == 1


def test_a_timeout_does_not_reach_those_who_hear_of_the_request() -> None:
    class Thorough:
        def fire(self, **request: Any) -> None:
            gevent.sleep(1.2)
            heard.append(request["exception"])

    heard: list[Any] = []
    with HostileServer(answers(ok())) as server:
        visitors = Visitors("http://shop.test", proxy_host="127.0.0.1", proxy_port=server.port)
        client = visitors.sessions.acquire(None, Thorough())
        assert client.get("/", timeout=1).text == "ok"
        visitors.sessions.release(client)
    assert heard == [None]


def test_a_request_that_outlives_its_arrival_is_no_other_arrivals() -> None:
    def script(peer: Peer) -> None:
        while request := peer.request():
            if b"/late" in request:
                assert next_is_answered.wait(20)
                peer.send(ok(b"late", "Set-Cookie: whose=the first's"))
            else:
                peer.send(ok(b"soon"))

    next_is_answered = gevent.event.Event()
    with HostileServer(script) as server:
        visitors = Visitors(
            "http://shop.test", keep_alive=True, concurrency=1, proxy_host="127.0.0.1", proxy_port=server.port
        )
        with visitors.one() as (first, firsts):
            late = gevent.spawn(first.get, "/late")
            with gevent.Timeout(20):
                while not server.requests:
                    gevent.sleep(0.01)
        with visitors.one() as (second, seconds):
            assert second.get("/soon", timeout=20).text == "soon"
            next_is_answered.set()
            assert late.get(timeout=20).text == "late"
            first.get("/later still")
            second.get("/soon")
        assert [report["name"] for report in firsts.fired] == ["/late", "/later still"]
        assert [report["name"] for report in seconds.fired] == ["/soon", "/soon"]
        assert list(second.cookiejar) == []
        first.client.close()
        visitors.sessions.close()


def test_a_visitor_that_closes_its_client_in_between_keeps_its_cookies() -> None:
    there = answers(ok(b"ok", "Set-Cookie: basket=full; Path=/"))
    with HostileServer(there) as server:
        visitors = Visitors(server.url, keep_alive=True)
        with visitors.one() as (client, _):
            client.get("/", stream=True).content  # noqa: B018
            client.close()
            assert [cookie.name for cookie in client.cookiejar] == ["basket"]
            client.get("/")
            client.get("/", stream=True).content  # noqa: B018
        assert [b"basket=full" in request for request in server.requests] == [False, True, True]
        with visitors.one() as (client, _):
            client.get("/", stream=True).content  # noqa: B018
        assert b"basket" not in server.requests[-1]
        assert server.connections == 2  # one of either client
        visitors.sessions.close()
