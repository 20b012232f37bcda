"""Redirects: what is asked for next, what goes along, and where it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from swarm_ext.client.redirects import following
from swarm_ext.client.request import Request, target
from tests.client_visit import visit
from tests.hostile_server import HostileServer, Peer, answers, ok

if TYPE_CHECKING:
    from tests.hostile_server import Script


def to(location: str, status: int = 302, *headers: str) -> bytes:
    lines = "".join(f"{header}\r\n" for header in headers)
    return (
        f"HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 5\r\n{lines}\r\nmoved".encode()
    )


def by_path(**answers_by_path: bytes) -> Script:
    def script(peer: Peer) -> None:
        while request := peer.request():
            path = request.split()[1].decode().strip("/").partition("?")[0]
            peer.send(answers_by_path.get(path, ok(path.encode())))

    return script


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ("/b", "/b"),
        ("b", "/deep/b"),
        ("../b", "/b"),
        ("?q=1", "/deep/a?q=1"),
        ("/caf\u00e9 au lait".encode().decode("latin-1"), "/caf%C3%83%C2%A9%20au%20lait"),
        ("/b#part", "/b"),
    ],
)
def test_a_location_is_resolved_against_the_request(location: str, path: str) -> None:
    before = Request("GET", target("http://a.test/deep/a"), {}, None)
    assert following(before, 302, location.encode()).target.path == path


@pytest.mark.parametrize(
    ("status", "method", "then"),
    [
        (301, "POST", "GET"), (302, "POST", "GET"), (303, "POST", "GET"), (303, "PUT", "GET"), (303, "HEAD", "HEAD"),
        (307, "POST", "POST"), (308, "POST", "POST"), (307, "PUT", "PUT"), (301, "GET", "GET"), (301, "HEAD", "HEAD"),
    ],
)  # fmt: skip
def test_the_method_changes_or_the_body_stays(status: int, method: str, then: str) -> None:
    body = None if method in ("GET", "HEAD") else b"body"
    headers = {"Content-Type": "text/plain", "X-Own": "1"} if body else {"X-Own": "1"}
    after = following(Request(method, target("http://a.test/a"), headers, body), status, b"/b")
    assert after.method == then
    assert after.body == (body if then == method else None)
    assert after.headers == (headers if then == method else {"X-Own": "1"})


@pytest.mark.parametrize(
    ("location", "kept"),
    [("/b", True), ("http://a.test/b", True), ("http://a.test:81/b", False), ("https://a.test/b", False), ("http://b.test/b", False), ("//b.test/b", False)],
)  # fmt: skip
def test_credentials_do_not_leave_their_origin(location: str, kept: bool) -> None:
    headers = {"authorization": "Basic x", "X-Own": "1"}
    after = following(Request("GET", target("http://a.test/a"), headers, None), 302, location.encode())
    assert ("authorization" in after.headers) == kept
    assert after.headers["X-Own"] == "1"


def test_bytes_beyond_ascii_in_a_location_come_back_as_they_were_sent() -> None:
    moved = to("/").replace(b"Location: /", "Location: /café".encode())
    with HostileServer(by_path(a=moved)) as server, visit(server.url) as (client, reports):
        client.get("/a")
        assert server.requests[1].startswith(b"GET /caf%C3%A9 HTTP/1.1\r\n")
        assert reports.last["url"] == f"{server.url}/a"


def test_a_redirect_is_one_request_with_a_history() -> None:
    with HostileServer(by_path(a=to("/b", 301), b=to("c", 307))) as server:
        with visit(server.url, keep_alive=True) as (client, reports):
            response = client.get("/a")
            assert response.content == b"c"
            assert response.url == f"{server.url}/c"
            assert [earlier.status_code for earlier in response.history] == [301, 307]
            assert len(reports.fired) == 1
            assert (reports.last["name"], reports.last["url"]) == ("/a", f"{server.url}/a")
        assert server.connections == 1


def test_a_redirect_that_is_not_to_be_followed_is_the_response_and_concerns_nobody_else() -> None:
    with (
        HostileServer(by_path(a=to("/b"))) as server,
        visit(server.url) as (client, reports),
    ):
        assert client.get("/a", allow_redirects=False).status_code == 302
        assert reports.last["exception"] is None
        assert client.get("/a").content == b"b"


def test_a_loop_ends() -> None:
    with HostileServer(by_path(a=to("/b"), b=to("/a"))) as server:
        with visit(server.url, max_redirects=5) as (client, reports):
            assert client.get("/a").status_code == 0
            assert reports.failure == "more than 5 redirects"
        assert len(server.requests) == 6
        with visit(server.url, max_redirects=0) as (client, reports):
            client.get("/a")
            assert reports.failure == "more than 0 redirects"


def test_a_redirect_to_another_host_is_followed_there() -> None:
    with HostileServer(answers(ok(b"elsewhere"))) as other:
        with HostileServer(answers(to(f"{other.url}/there"))) as server, visit(server.url) as (client, _):
            assert client.get("/a", auth=("a", "b")).content == b"elsewhere"
            assert b"Authorization" in server.requests[0]
        assert b"Authorization" not in other.requests[0]
        assert f"Host: 127.0.0.1:{other.port}\r\n".encode() in other.requests[0]


@pytest.mark.parametrize("location", ["ftp://a.test/", "mailto:x", "http://[bad/", "http://a.test:99999/"])
def test_a_redirect_to_nowhere_is_a_failure(location: str) -> None:
    with HostileServer(answers(to(location))) as server, visit(server.url) as (client, reports):
        client.get("/a")
        assert reports.failure.startswith("redirected to nowhere: ")


@pytest.mark.parametrize("proxied", [False, True])
@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("shop-app://back?token=secret", "shop-app: is neither http:// nor https://"),
        ("http://[bad/" + "x" * 5000, "Invalid IPv6 URL"),
        ("http://a.test:99999/" + "x" * 5000, "Port out of range"),
    ],
)
def test_a_redirect_to_nowhere_takes_little_room_in_the_table_of_failures(
    location: str, words: str, proxied: bool
) -> None:
    with HostileServer(answers(to(location))) as server:
        proxy = {"proxy_host": "127.0.0.1", "proxy_port": server.port} if proxied else {}
        with visit(server.url, **proxy) as (client, reports):
            client.get("/a")
            assert reports.failure.startswith(f"redirected to nowhere: {words}")
            assert len(reports.failure) < 250
            assert "secret" not in reports.failure


def test_cookies_that_come_with_a_redirect_go_along() -> None:
    with HostileServer(by_path(a=to("/b", 303, "Set-Cookie: s=1; Path=/"))) as server:
        with visit(server.url) as (client, _):
            client.post("/a", data="x")
        assert b"Cookie: s=1\r\n" in server.requests[1]
        assert server.requests[1].startswith(b"GET /b ")
        assert b"Content-" not in server.requests[1]


def test_the_body_goes_along_where_the_method_stays() -> None:
    with HostileServer(by_path(a=to("/b", 308))) as server:
        with visit(server.url) as (client, _):
            client.post("/a", json={"a": 1})
        assert server.requests[1].startswith(b"POST /b ")
        assert server.requests[1].endswith(b'{"a": 1}')


def test_a_failure_behind_a_redirect_is_the_requests_and_has_the_history() -> None:
    with (
        HostileServer(by_path(a=to("http://127.0.0.1:1/"))) as server,
        visit(server.url) as (client, reports),
    ):
        response = client.get("/a")
        assert reports.failure == "connection refused by 127.0.0.1:1"
        assert [earlier.status_code for earlier in response.history] == [302]
