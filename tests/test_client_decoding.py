"""Bodies with a Content-Encoding: undone if it is known, as they came if not, and never larger than there is room for."""

from __future__ import annotations

import functools
import gzip
import tracemalloc
import zlib
from typing import TYPE_CHECKING

import brotli
import pytest

from swarm_ext.client import transport
from swarm_ext.client.decoding import MAX_CODINGS, decoded
from swarm_ext.client.failures import BadResponseError
from tests.client_visit import visit
from tests.hostile_server import HostileServer, answers, ok

if TYPE_CHECKING:
    from collections.abc import Callable

BODY = b"a page that is worth compressing " * 9999
MIB = 1024 * 1024


def _bare_deflate(body: bytes, level: int = 6) -> bytes:
    compress = zlib.compressobj(level, wbits=-zlib.MAX_WBITS)
    return compress.compress(body) + compress.flush()


@pytest.mark.parametrize(
    ("coding", "sent"),
    [
        ("gzip", gzip.compress(BODY)),
        ("GZIP", gzip.compress(BODY[:100]) + gzip.compress(BODY[100:])),
        ("x-gzip", gzip.compress(BODY)),
        ("gzip", gzip.compress(BODY[:99_999], 0) + gzip.compress(BODY[99_999:], 0)),
        ("gzip", gzip.compress(BODY) + bytes(512)),
        ("gzip", gzip.compress(BODY) + b"what a proxy added"),
        ("deflate", zlib.compress(BODY)),
        ("deflate", zlib.compress(BODY, level=1)),
        ("deflate", _bare_deflate(BODY)),
        ("Deflate", _bare_deflate(BODY, level=0)),
        ("br", brotli.compress(BODY)),
        ("identity", BODY),
        ("IDENTITY", BODY),
        ("", BODY),
        (" , ", BODY),
        ("deflate, gzip", gzip.compress(zlib.compress(BODY))),
        ("identity,GZip ,", gzip.compress(BODY)),
        ("br, identity", brotli.compress(BODY)),
    ],
    ids=[
        "gzip", "two gzip members", "x-gzip", "gzip members that are not compressed", "gzip and padding", "gzip and garbage",
        "deflate", "fast deflate", "bare deflate", "bare deflate that is not compressed", "brotli",
        "identity", "upper case", "empty", "a comma", "twice", "after identity", "before identity",
    ],
)  # fmt: skip
def test_a_compressed_body_is_given_as_it_was(coding: str, sent: bytes) -> None:
    answer = ok(sent, f"Content-Encoding: {coding}")
    with HostileServer(answers(answer)) as server, visit(server.url) as (client, reports):
        assert client.get("/").content == BODY
        assert reports.last["exception"] is None
        assert reports.last["response_length"] == len(BODY)
    assert b"Accept-Encoding: gzip, deflate, br\r\n" in server.requests[0]


@pytest.mark.parametrize("proxied", [False, True])
def test_codings_on_several_lines_are_all_undone_the_last_first(proxied: bool) -> None:
    sent = gzip.compress(zlib.compress(BODY))
    with HostileServer(
        answers(ok(sent, "Content-Encoding: deflate", "X-Between: 1", "content-encoding: gzip"))
    ) as server:
        proxy = {"proxy_host": "127.0.0.1", "proxy_port": server.port} if proxied else {}
        with visit(server.url, **proxy) as (client, _):
            assert client.get("/").content == BODY


@pytest.mark.parametrize(
    "coding", ["x-foo", "zstd", "compress", "utf-8", "gzip, x-foo", "X-Foo, gzip", "gzip;q=1"]
)
def test_a_body_in_a_coding_that_is_not_known_is_given_as_it_came(coding: str) -> None:
    sent = gzip.compress(BODY)
    with (
        HostileServer(answers(ok(sent, f"Content-Encoding: {coding}"))) as server,
        visit(server.url) as (client, reports),
    ):
        response = client.get("/")
        assert response.content == sent
        assert response.headers["content-encoding"] == coding
        assert reports.last["exception"] is None
        assert reports.last["response_length"] == len(sent)


@pytest.mark.parametrize(
    ("coding", "sent", "words"),
    [
        ("gzip", b"plain", "the body is not gzip, as its header says: incorrect header check"),
        ("gzip", gzip.compress(BODY)[:-12] + bytes(12), "the body is not gzip, as its header says: "),
        ("gzip", gzip.compress(BODY)[:-1], "the body is not gzip, as its header says: it ends too early"),
        ("gzip", gzip.compress(BODY) + b"\x1f\x8b\x08", "the body is not gzip, as its header says: it ends too early"),
        ("deflate", b"plain", "the body is not deflate, as its header says: "),
        ("deflate", zlib.compress(BODY)[:-1], "the body is not deflate, as its header says: it ends too early"),
        ("deflate", _bare_deflate(BODY)[:-1], "the body is not deflate, as its header says: it ends too early"),
        ("br", b"plain", "the body is not br, as its header says: "),
        ("br", brotli.compress(BODY)[:-1], "the body is not br, as its header says: it ends too early"),
        ("deflate, gzip", gzip.compress(b"plain"), "the body is not deflate, as its header says: "),
        ("br, gzip", gzip.compress(b""), "the body is not br, as its header says: it ends too early"),
        ("deflate, gzip", gzip.compress(b""), "the body is not deflate, as its header says: it ends too early"),
    ],
    ids=[
        "gzip", "gzip with another checksum", "gzip cut short", "a gzip member cut short", "deflate", "deflate cut short",
        "bare deflate cut short", "brotli", "brotli cut short", "inside", "nothing inside for brotli", "nothing inside",
    ],
)  # fmt: skip
def test_a_body_that_is_not_what_its_header_says_is_a_failure(coding: str, sent: bytes, words: str) -> None:
    with (
        HostileServer(answers(ok(sent, f"Content-Encoding: {coding}"))) as server,
        visit(server.url) as (client, reports),
    ):
        assert client.get("/").status_code == 0
        assert reports.failure.startswith(words)


def test_a_compressed_response_without_a_body_is_fine() -> None:
    with (
        HostileServer(answers(ok(b"", "Content-Encoding: gzip"))) as server,
        visit(server.url) as (client, reports),
    ):
        assert client.get("/").content == b""
        assert reports.last["exception"] is None


MEMBER = gzip.compress(bytes(MIB))


def zeros() -> bytes:
    compress = zlib.compressobj(1, wbits=-zlib.MAX_WBITS)
    return b"".join(compress.compress(bytes(MIB)) for _ in range(128)) + compress.flush()


BOMBS: dict[str, Callable[[], bytes]] = {
    "gzip": lambda: MEMBER * 10_240,
    "gzip, gzip": lambda: gzip.compress(MEMBER * 10_240),
    "gzip, br": lambda: brotli.compress(MEMBER * 10_240, quality=1),
    "deflate": zeros,
    "br": lambda: brotli.compress(bytes(128 * MIB), quality=1),
}
"""Bodies of at most 11 MB in which there are 128 MiB, or 10 GiB, of zeros."""


@pytest.mark.parametrize("coding", BOMBS)
def test_a_bomb_does_not_go_off(coding: str) -> None:
    bomb = BOMBS[coding]()
    tracemalloc.start()
    try:
        with pytest.raises(BadResponseError, match="the body is more than 12 MiB when decoded: headers="):
            decoded(bomb, coding.encode(), at_most=12 * MIB)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 64 * MIB


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br"])
def test_a_body_may_be_as_large_as_the_bound_and_no_larger(coding: str) -> None:
    encode = {"gzip": gzip.compress, "deflate": zlib.compress, "br": brotli.compress}[coding]
    sent = encode(BODY)
    assert decoded(sent, coding.encode(), at_most=len(BODY)) == BODY
    with pytest.raises(BadResponseError, match="MiB when decoded"):
        decoded(sent, coding.encode(), at_most=len(BODY) - 1)


def test_the_members_of_a_gzip_body_share_the_bound() -> None:
    assert decoded(MEMBER * 3, b"gzip", at_most=3 * MIB) == bytes(3 * MIB)
    with pytest.raises(BadResponseError, match="the body is more than"):
        decoded(MEMBER * 3, b"gzip", at_most=3 * MIB - 1)


def test_a_bomb_is_a_failed_request_and_the_next_one_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "decoded", functools.partial(decoded, at_most=MIB))
    with (
        HostileServer(answers(ok(BOMBS["gzip, gzip"](), "Content-Encoding: gzip, gzip"))) as server,
        visit(server.url, keep_alive=True) as (client, reports),
    ):
        response = client.get("/")
        assert (response.status_code, response.content) == (0, None)
        assert reports.failure == (
            "the body is more than 1 MiB when decoded: headers={'Accept-Encoding': 'identity'} asks for it as it is"
        )
        server.script = answers(ok(gzip.compress(BODY), "Content-Encoding: gzip"))
        assert client.get("/").content == BODY


def test_a_coding_over_and_over_is_undone_a_few_times_and_no_more() -> None:
    body = BODY
    for _ in range(MAX_CODINGS):
        body = gzip.compress(body)
    assert decoded(body, b", identity, ".join([b"gzip"] * MAX_CODINGS)) == BODY
    with pytest.raises(BadResponseError, match="the body is encoded 6 times: at most 5 are undone"):
        decoded(gzip.compress(body), b",".join([b"gzip"] * 6))
