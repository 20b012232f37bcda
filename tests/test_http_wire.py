"""Requests in, responses out, byte by byte."""

import json
import random
from http import HTTPStatus

import pytest

from swarm_ext.primecheck.http_wire import HEAD_LIMIT_BYTES, BadRequest, Request, Response, take_request


def take(text: bytes) -> Request | None:
    return take_request(bytearray(text))


def test_a_request_is_taken_off_the_front_and_the_next_one_stays() -> None:
    received = bytearray(b"\r\nGET /a?x=1 HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\n\r\nGE")
    assert take_request(received) == Request("GET", "/a", keep_alive=True)
    assert take_request(received) == Request("GET", "/b", keep_alive=True)
    assert take_request(received) is None
    assert received == b"GE"


@pytest.mark.parametrize(
    ("head", "keep_alive"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", True),
        (b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", False),
        (b"GET / HTTP/1.1\r\nconnection: TE, Close\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", True),
        (b"GET / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", True),
        (b"GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\n", False),
        (b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", False),
        (b"HEAD / HTTP/1.1\r\n\r\n", False),
    ],
)
def test_a_connection_is_kept_only_when_the_next_request_will_be_found(
    head: bytes, *, keep_alive: bool
) -> None:
    request = take(head)
    assert request is not None
    assert request.keep_alive is keep_alive


@pytest.mark.parametrize(
    "garbage",
    [
        b"hello\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/2.0\r\n\r\n",
        b"GET / a HTTP/1.1\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\n folded: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: a\nb\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
    ],
)
def test_garbage_is_a_bad_request(garbage: bytes) -> None:
    with pytest.raises(BadRequest) as refusal:
        take(garbage)
    assert refusal.value.status == HTTPStatus.BAD_REQUEST


def test_headers_may_not_grow_without_bound() -> None:
    assert take(b"GET / HTTP/1.1\r\nX: " + b"a" * (HEAD_LIMIT_BYTES - 30)) is None
    with pytest.raises(BadRequest) as refusal:
        take(b"GET / HTTP/1.1\r\nX: " + b"a" * HEAD_LIMIT_BYTES)
    assert refusal.value.status == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE


def test_random_bytes_raise_nothing_but_bad_request() -> None:
    generator = random.Random(7)
    parts = [
        b"GET",
        b"/",
        b" ",
        b"HTTP/1.1",
        b"\r\n",
        b"\r\n\r\n",
        b":",
        b"Content-Length",
        b"\x00",
        b"\xff",
        b"close",
    ]
    for _ in range(3_000):
        received = bytearray(b"".join(generator.choices(parts, k=generator.randrange(1, 12))))
        try:
            while take_request(received) is not None:
                pass
        except BadRequest:
            pass


def test_a_response_states_its_length_and_whether_the_connection_stays() -> None:
    response = Response(HTTPStatus.OK, {"prime": True}, {"X-Replica": "abc"})
    head, _, body = response.encode(close=False).partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"HTTP/1.1 200 OK"
    assert f"Content-Length: {len(body)}".encode() in lines
    assert b"X-Replica: abc" in lines
    assert b"Connection: keep-alive" in lines
    assert b"Connection: close" in response.encode(close=True)
    assert json.loads(body) == {"prime": True}
