"""Bodies without an end: as much of one is taken as there is room for, in little more memory than that, and no more."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING

import pytest

from swarm_ext.client import fast_response, reader
from swarm_ext.client.reader import ResponseReader
from tests.client_visit import visit
from tests.hostile_server import HostileServer, Peer, answers, ok

if TYPE_CHECKING:
    from tests.hostile_server import Script

MIB = 1024 * 1024
TOO_LARGE = "the body is more than 1 MiB: stream=True takes it in pieces"

LENGTHLESS = b"HTTP/1.1 200 OK\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
LONG = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n"
ENDLESS = pytest.mark.parametrize(
    ("head", "part"),
    [
        (LENGTHLESS, b"x" * 65536),
        (CHUNKED, b"10000\r\n" + b"x" * 65536 + b"\r\n"),
        (CHUNKED, b"2\r\nxx\r\n" * 30_000),
        (LONG, b"x" * 65536),
        (CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n"), b"10000\r\n" + b"x" * 65536 + b"\r\n"),
    ],
    ids=["no length", "chunked", "chunks of two bytes", "a length beyond all bounds", "encoded"],
)  # fmt: skip


@pytest.fixture(autouse=True)
def _a_low_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (reader, fast_response):
        monkeypatch.setattr(module, "MAX_BODY_BYTES", MIB)


def endless(head: bytes, part: bytes) -> Script:
    """Answer with a body that does not end before 8 MB of it were sent, and then by no end of its own."""

    def script(peer: Peer) -> None:
        if peer.request():
            peer.send(head, *[part] * (8 * MIB // len(part)))

    return script


@ENDLESS
@pytest.mark.parametrize("proxied", [False, True], ids=["lean", "proxied"])
def test_a_body_without_end_is_a_failed_request_and_the_next_one_is_made(
    head: bytes, part: bytes, proxied: bool
) -> None:
    with HostileServer(endless(head, part)) as server:
        proxy = {"proxy_host": "127.0.0.1", "proxy_port": server.port} if proxied else {}
        with visit(server.url, keep_alive=True, **proxy) as (client, reports):
            response = client.get("/")
            assert (response.status_code, response.content) == (0, None)
            assert reports.failure == TOO_LARGE
            server.script = answers(ok(b"bounded"))
            assert client.get("/").content == b"bounded"
            assert reports.last["exception"] is None
    assert server.connections == 2


@pytest.mark.parametrize("proxied", [False, True], ids=["lean", "proxied"])
def test_a_body_may_be_as_large_as_the_bound_and_no_larger(proxied: bool) -> None:
    with HostileServer(answers(ok(b"x" * MIB))) as server:
        proxy = {"proxy_host": "127.0.0.1", "proxy_port": server.port} if proxied else {}
        with visit(server.url, **proxy) as (client, reports):
            assert client.get("/").content == b"x" * MIB
            assert reports.last["exception"] is None
        server.script = answers(ok(b"x" * (MIB + 1)))
        with visit(server.url, **proxy) as (client, reports):
            assert client.get("/").status_code == 0
            assert reports.failure == TOO_LARGE


def test_a_larger_body_can_be_taken_in_pieces() -> None:
    with HostileServer(answers(ok(b"x" * 3 * MIB))) as server, visit(server.url) as (client, reports):
        response = client.get("/", stream=True)
        assert sum(map(len, response.iter_content(65536))) == 3 * MIB
        assert reports.last["exception"] is None


def test_a_body_that_comes_two_bytes_at_a_time_takes_little_more_memory_than_its_bytes() -> None:
    response = ResponseReader()
    response.expect("GET")
    response.feed(CHUNKED, len(CHUNKED))
    numbers = [b"%02d" % (number % 100) for number in range(128 * 1024)]
    wire = b"".join(b"2\r\n%s\r\n" % number for number in numbers)
    tracemalloc.start()
    try:
        for start in range(0, len(wire), 65536):
            piece = wire[start : start + 65536]
            response.feed(piece, len(piece))
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    response.feed(b"0\r\n\r\n", 5)
    assert response.complete
    assert response.body == b"".join(numbers)
    assert type(response.body) is bytes
    assert held < 4 * len(response.body)
