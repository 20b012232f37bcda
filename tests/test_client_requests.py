"""What is sent: every byte of a request, and what is refused because it would be more than one request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from locust.contrib.fasthttp import FastHttpSession

from swarm_ext.client.request import target
from tests.client_visit import Reports, visit
from tests.hostile_server import HostileServer, Peer, answers, ok

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from swarm_ext.client import Session


@pytest.fixture
def server() -> Iterator[HostileServer]:
    with HostileServer(answers(ok())) as running:
        yield running


@pytest.fixture
def client(server: HostileServer) -> Iterator[Session]:
    with visit(server.url) as (session, _):
        yield session


def sent(server: HostileServer) -> tuple[str, dict[str, str], bytes]:
    """The last request's first line, headers by lower-cased name, and body."""
    head, _, body = server.requests[-1].partition(b"\r\n\r\n")
    line, *headers = head.decode("latin-1").split("\r\n")
    pairs = [header.split(": ", 1) for header in headers]
    assert len({name.lower() for name, _ in pairs}) == len(pairs), f"a header twice: {pairs}"
    return line, {name.lower(): value for name, value in pairs}, body


def test_a_plain_request_says_what_is_needed_and_no_more(server: HostileServer, client: Session) -> None:
    client.get("/")
    assert server.requests[-1] == (
        b"GET / HTTP/1.1\r\n"
        b"Host: 127.0.0.1:%d\r\n"
        b"User-Agent: swarm-ext\r\n"
        b"Accept-Encoding: gzip, deflate, br\r\n"
        b"\r\n" % server.port
    )


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "DELETE", "POST", "PUT", "PATCH"])
def test_each_method_has_its_function(server: HostileServer, client: Session, method: str) -> None:
    getattr(client, method.lower())("/x")
    line, headers, _ = sent(server)
    assert line == f"{method} /x HTTP/1.1"
    assert headers.get("content-length") == ("0" if method in ("POST", "PUT", "PATCH") else None)


@pytest.mark.parametrize(
    ("url", "params", "path"),
    [
        ("", None, "/"),
        ("/a b/caf\u00e9", None, "/a%20b/caf%C3%A9"),
        ("/a%20b?q=%2F", None, "/a%20b?q=%2F"),
        ("/?q=a b", None, "/?q=a%20b"),
        ("/x#fragment", None, "/x"),
        ("/x", {"a": 1, "b": ["x y", "&"]}, "/x?a=1&b=x+y&b=%26"),
        ("/x?z=0", {"a": "1"}, "/x?z=0&a=1"),
        ("/x", [("a", "1"), ("a", "2")], "/x?a=1&a=2"),
        ("/x", "raw=1", "/x?raw=1"),
        ("/x;v=1", None, "/x;v=1"),
        ("?a=1", None, "/?a=1"),
    ],
)
def test_a_path_is_encoded_once(
    server: HostileServer, client: Session, url: str, params: Any, path: str
) -> None:
    client.get(url, params=params)
    assert sent(server)[0] == f"GET {path} HTTP/1.1"


@pytest.mark.parametrize(
    ("body", "content_type", "bytes_sent"),
    [
        ({"data": "caf\u00e9"}, "text/plain; charset=utf-8", "caf\u00e9".encode()),
        ({"data": b"\x00\xff"}, "application/octet-stream", b"\x00\xff"),
        ({"data": bytearray(b"ab")}, "application/octet-stream", b"ab"),
        ({"data": {"a": "1 2", "b": ["x", "y"]}}, "application/x-www-form-urlencoded; charset=utf-8", b"a=1+2&b=x&b=y"),
        ({"data": [("a", "1"), ("a", "2")]}, "application/x-www-form-urlencoded; charset=utf-8", b"a=1&a=2"),
        ({"json": {"a": [1, None]}}, "application/json", b'{"a": [1, null]}'),
        ({"json": []}, "application/json", b"[]"),
        ({"json": 0}, "application/json", b"0"),
    ],
)  # fmt: skip
def test_a_body_says_what_it_is(
    server: HostileServer, client: Session, body: dict[str, Any], content_type: str, bytes_sent: bytes
) -> None:
    client.post("/", **body)
    _, headers, received = sent(server)
    assert received == bytes_sent
    assert headers["content-type"] == content_type
    assert headers["content-length"] == str(len(bytes_sent))
    client.post("/", **body, headers={"content-TYPE": "text/x-own"})
    assert sent(server)[1]["content-type"] == "text/x-own"


def test_given_headers_replace_the_usual_ones_however_they_are_written(server: HostileServer) -> None:
    with visit(server.url, headers={"X-All": "1", "user-agent": "class"}) as (client, _):
        client.get("/", headers={"ACCEPT-encoding": "identity", "X-Number": 7, "X-Bytes": b"b"})
        _, headers, _ = sent(server)
        assert (headers["x-all"], headers["user-agent"], headers["accept-encoding"]) == (
            "1",
            "class",
            "identity",
        )
        assert (headers["x-number"], headers["x-bytes"]) == ("7", "b")
        client.get("/", headers={"host": "other.test"})
        assert sent(server)[1]["host"] == "other.test"
        client.get("/")
        assert sent(server)[1]["accept-encoding"] == "gzip, deflate, br"


def test_credentials_come_from_auth_or_from_the_hosts_url_and_stay_with_the_host(
    server: HostileServer,
) -> None:
    with visit(server.url.replace("//", "//us%40er:p%3Ass@")) as (client, reports):
        client.get("/")
        assert sent(server)[1]["authorization"] == "Basic dXNAZXI6cDpzcw=="
        assert reports.last["url"] == f"{server.url}/"
        client.get("/", auth=("a", "b"))
        assert sent(server)[1]["authorization"] == "Basic YTpi"
        client.get("/", headers={"Authorization": "Bearer x"})
        assert sent(server)[1]["authorization"] == "Bearer x"
        with HostileServer(answers(ok())) as other:
            client.get(f"{other.url}/")
            assert b"authorization" not in other.requests[0].lower()


@pytest.mark.parametrize(
    ("method", "url", "headers"),
    [
        ("GET", "/x\r\nX-Evil: 1", {}),
        ("GET", "/x\ny", {}),
        ("GET", "/\x00", {}),
        ("GET", "/", {"X-Evil": "1\r\nX-More: 2"}),
        ("GET", "/", {"X-Evil": "1\n"}),
        ("GET", "/", {"X-Evil": b"1\r\n2"}),
        ("GET", "/", {"X-Evil\r\nX-More": "1"}),
        ("GET", "/", {"X-Evil:": "1"}),
        ("GET", "/", {"X Evil": "1"}),
        ("GET", "/", {"": "1"}),
        ("GET", "/", {"X-Evil": "\u20ac"}),
        ("GET / HTTP/1.1\r\nX: 1", "/", {}),
        ("", "/", {}),
        ("GET", "http:///x", {}),
        ("GET", "http://ho\rst/x", {}),
        ("GET", "http://127.0.0.1:99999/x", {}),
    ],
)
def test_what_would_break_out_of_its_line_is_refused(
    server: HostileServer, client: Session, method: str, url: str, headers: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=r"."):
        client.request(method, url, headers=headers)
    assert server.connections == 0


def test_a_host_that_cannot_be_sent_is_refused_too() -> None:
    with pytest.raises(ValueError, match="control character"), visit("http://a\r\nb"):
        pass
    with pytest.raises(ValueError, match="http://"), visit("shop.test:80"):
        pass


def test_a_slash_at_the_end_of_the_host_is_not_doubled(server: HostileServer) -> None:
    with visit(f"{server.url}/") as (client, _):
        client.get("/x")
    with visit(f"{server.url}/api/") as (client, _):
        client.get("/x")
    assert [request.split()[1] for request in server.requests] == [b"/x", b"/api/x"]


def test_query_parameters_cannot_break_out_either(server: HostileServer, client: Session) -> None:
    client.get("/", params={"a\r\n": "b\r\nX: 1"})
    assert sent(server)[0] == "GET /?a%0D%0A=b%0D%0AX%3A+1 HTTP/1.1"


def test_cookies_last_as_long_as_the_arrival(server: HostileServer) -> None:
    server.script = answers(ok(b"", "Set-Cookie: a=1; Path=/", "Set-Cookie: b=2; Path=/shop"))
    with visit(server.url) as (client, _):
        client.get("/shop/")
        client.get("/")
        assert sent(server)[1]["cookie"] == "a=1"
        client.get("/shop/x")
        assert sorted(sent(server)[1]["cookie"].split("; ")) == ["a=1", "b=2"]
        assert {cookie.name for cookie in client.cookiejar} == {"a", "b"}
    with visit(server.url) as (client, _):
        client.get("/shop/")
        assert "cookie" not in sent(server)[1]


def test_a_file_as_body_is_left_to_locusts_client(
    server: HostileServer, client: Session, tmp_path: Path
) -> None:
    file = tmp_path / "body"
    file.write_bytes(b"from a file")
    with file.open("rb") as body:
        assert client.post("/", data=body).status_code == 200
    assert sent(server)[2] == b"from a file"


def test_an_upload_is_left_to_locusts_client_with_the_cookies(server: HostileServer) -> None:
    server.script = answers(ok(b"x", "Set-Cookie: a=1; Path=/"))
    with visit(server.url) as (client, reports):
        client.get("/")
        assert client.post("/up", files={"file": ("a.txt", b"text")}, name="upload").status_code == 200
        _, headers, body = sent(server)
        assert headers["content-type"].startswith("multipart/form-data")
        assert headers["cookie"] == "a=1"
        assert b"text" in body
        assert (reports.last["name"], reports.last["exception"]) == ("upload", None)


def test_the_default_port_is_not_named() -> None:
    assert target("http://shop.test/x").authority == "shop.test"
    assert target("http://shop.test/x").port == 80
    assert target("https://shop.test").port == 443
    assert target("http://b\u00fccher.test/x").authority == "xn--bcher-kva.test"


def test_locusts_client_reports_the_same(server: HostileServer) -> None:
    def script(peer: Peer) -> None:
        while request := peer.request():
            found = request.split()[1].startswith(b"/x")
            peer.send(ok(b'{"a": 1}') if found else b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno")

    server.script = script
    theirs = Reports()
    fast = FastHttpSession(server.url, theirs, user=None)
    with visit(server.url) as (client, ours):
        for session in (fast, client):
            session.get("/x?a=1")
            session.get("/x", name="named", context={"key": "value"})
            with session.rename_request("renamed"):
                session.post("/x", data="body")
            session.get(f"{server.url}/x/absolute")
            session.get("/x", params={"a": "1"})
            session.get("/missing")
            with session.get("/caught", catch_response=True) as response:
                response.success()
            with session.get("/caught", catch_response=True) as response:
                response.failure("why not")
            with session.get("/caught", catch_response=True):
                pass
    fast.client.close()
    assert len(ours.fired) == len(theirs.fired) == 9
    for own, their in zip(ours.fired, theirs.fired, strict=True):
        assert set(own) == set(their)
        for field in ("request_type", "name", "context", "response_length"):
            assert own[field] == their[field], field
        assert repr(own["exception"]) == repr(their["exception"])
        assert type(own["exception"]) is type(their["exception"])
        assert own["url"].partition("?")[0] == their["url"].partition("?")[0]
        assert abs(own["start_time"] - their["start_time"]) < 60
        assert isinstance(own["response_time"], float)
        for field in ("status_code", "content", "text", "ok"):
            assert getattr(own["response"], field) == getattr(their["response"], field), field
