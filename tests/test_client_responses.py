"""Whatever a server may answer: what the task gets of it, on a new connection or on one that is kept."""

from __future__ import annotations

import pytest

from tests.client_visit import Visitors, visit
from tests.hostile_server import HostileServer, Peer, answers, answers_once, ok

CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n7;note=x\r\n, world\r\n0\r\n\r\n"
)
TRAILERS = CHUNKED[:-2] + b"X-Checksum: 12\r\nX-More: yes\r\n\r\n"
KEPT = pytest.mark.parametrize("keep_alive", [False, True], ids=["new connection", "kept connection"])


@KEPT
@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (ok(b"ok"), b"ok"),
        (ok(b""), b""),
        (CHUNKED, b"hello, world"),
        (TRAILERS, b"hello, world"),
        (ok(b"x" * 3_000_000), b"x" * 3_000_000),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\r\n", b""),
        (b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", b"ok"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + ok(), b"ok"),
        (b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n" + ok(), b"ok"),
        (b"\r\n" + ok(), b"ok"),
    ],
    ids=["length", "empty", "chunked", "trailers", "large", "204", "304", "no reason", "100", "103 and 102", "blank line"],
)  # fmt: skip
def test_a_response_is_read_to_its_end_and_no_further(answer: bytes, body: bytes, keep_alive: bool) -> None:
    with HostileServer(answers(answer)) as server:
        visitors = Visitors(server.url, keep_alive=keep_alive)
        for _ in range(3):
            with visitors.one() as (client, reports):
                response = client.get("/")
                assert response.content == body
                assert reports.last["exception"] is None
                assert reports.last["response_length"] == len(body)
        visitors.sessions.close()
    assert server.connections == (1 if keep_alive else 3)


@pytest.mark.parametrize("answer", [ok(b"hello"), TRAILERS, b"HTTP/1.1 100 Continue\r\n\r\n" + ok(b"hello")])
def test_a_response_may_come_byte_by_byte(answer: bytes) -> None:
    bytewise = [answer[i : i + 1] for i in range(len(answer))]
    with (
        HostileServer(answers(*bytewise)) as server,
        visit(server.url, keep_alive=True) as (client, reports),
    ):
        for _ in range(2):
            assert client.get("/").content.startswith(b"hello")
            assert reports.last["exception"] is None
    assert server.connections == 1


@pytest.mark.parametrize(
    "head", ["HTTP/1.0 200 OK", "HTTP/1.1 200 OK", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, unchunked"]
)
def test_a_body_without_length_ends_with_the_connection(head: str) -> None:
    answer = f"{head}\r\n\r\nall there is".encode()
    with (
        HostileServer(answers_once(answer)) as server,
        visit(server.url, keep_alive=True) as (client, reports),
    ):
        for _ in range(2):
            assert client.get("/").text == "all there is"
            assert reports.last["exception"] is None
    assert server.connections == 2


def test_the_response_to_head_has_headers_and_no_body() -> None:
    def script(peer: Peer) -> None:
        while request := peer.request():
            peer.send(ok(b"x" * 500)[:-500] if request.startswith(b"HEAD") else ok())

    with HostileServer(script) as server, visit(server.url) as (client, reports):
        for _ in range(2):
            response = client.head("/")
            assert (response.status_code, response.content) == (200, b"")
            assert response.headers["content-length"] == "500"
            assert reports.last["exception"] is None
            assert client.get("/").content == b"ok"
    assert server.connections == 1


def test_headers_are_found_however_they_are_written_and_several_of_a_name_are_a_list() -> None:
    answer = ok(b"", "X-One: 1", "set-cookie: a=1", "Set-Cookie: b=2", "X-Empty:", "X-Latin: caf\u00e9")
    with (
        HostileServer(answers(answer.decode().encode("latin-1"))) as server,
        visit(server.url) as (client, _),
    ):
        headers = client.get("/").headers
        assert headers["x-one"] == headers.get("X-ONE") == "1"
        assert headers["SET-COOKIE"] == ["a=1", "b=2"]
        assert headers["x-empty"] == ""
        assert headers["x-latin"] == "caf\u00e9"
        assert headers.get("absent") is None


@pytest.mark.parametrize(
    ("header", "body", "text"),
    [
        ("Content-Type: text/html; charset=utf-8", "caf\u00e9".encode(), "caf\u00e9"),
        ("Content-Type: text/html; charset=latin-1", "caf\u00e9".encode("latin-1"), "caf\u00e9"),
        ("Content-Type: application/json", '{"a": "caf\u00e9"}'.encode(), '{"a": "caf\u00e9"}'),
        ("X-No: type", b"plain", "plain"),
        ("Content-Type: text/plain; charset=klingon", b"plain", "plain"),
    ],
)
def test_text_is_decoded_as_the_headers_say_or_as_it_looks(header: str, body: bytes, text: str) -> None:
    with HostileServer(answers(ok(body, header))) as server, visit(server.url) as (client, _):
        assert client.get("/").text == text


def test_json_is_parsed_and_what_is_none_raises_value_error() -> None:
    with (
        HostileServer(answers_once(ok(b'{"a": [1, null]}', "Connection: close"))) as server,
        visit(server.url) as (client, _),
    ):
        assert client.get("/").json() == {"a": [1, None]}
        server.script = answers(ok(b"<html>"))
        with pytest.raises(ValueError, match="Expecting value"):
            client.get("/").json()


def test_a_switch_of_protocols_that_nobody_asked_for_ends_the_connection() -> None:
    answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: chat\r\nConnection: upgrade\r\n\r\n\x00\x01\x02"
    with (
        HostileServer(answers(answer)) as server,
        visit(server.url, keep_alive=True) as (client, reports),
    ):
        for _ in range(2):
            assert client.get("/").status_code == 101
            assert "code=101" in reports.failure
    assert server.connections == 2


def test_an_error_status_is_a_failure() -> None:
    answer = b"HTTP/1.1 503 Out Of Tea\r\nContent-Length: 4\r\n\r\nsoon"
    with HostileServer(answers(answer)) as server, visit(server.url) as (client, reports):
        response = client.get("/tea")
        assert (response.status_code, response.ok) == (503, False)
        assert response.text == "soon"
        assert "code=503" in reports.failure
        with pytest.raises(Exception, match="code=503"):
            response.raise_for_status()
