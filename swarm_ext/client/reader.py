"""Reads one response after the other from the bytes of a connection, by httptools (llhttp, the parser of Node.js).

llhttp refuses what is ambiguous: two Content-Lengths, one beside Transfer-Encoding, broken chunks and header lines.
"""

from __future__ import annotations

from typing import Any

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from swarm_ext.client.failures import BadResponseError
from swarm_ext.client.size import MAX_BODY_BYTES, too_large

MAX_OVERHEAD_BYTES = 256 * 1024
"""How many bytes in a row may come without any of the body among them: headers, interim responses, trailers."""

MAX_PIECES = 4096
"""How many pieces of a body are kept apart: a server that sends two bytes at a time would have each take thirty times that."""


class _Surplus(Exception):  # noqa: N818 - it ends the parsing, and is no error of anybody's
    """There is something behind the response."""


class ResponseReader:
    """One connection's responses. After `expect` feed it what arrives until `complete`; then read what it found.

    `status`, `raw_headers` [(name, value)], `body`, and `reusable`: whether another request may follow on the
    connection.
    """

    __slots__ = (
        "_bodiless",
        "_chunks",
        "_feed",
        "_overhead",
        "_parser",
        "complete",
        "headers_complete",
        "raw_headers",
        "received",
        "reusable",
        "status",
    )

    def __init__(self) -> None:
        self._bodiless = False
        self._parser = HttpResponseParser(self)
        self._feed = self._parser.feed_data

    def expect(self, method: str) -> None:
        """Get ready for the response to a request of this method."""
        if self._bodiless:  # the parser cannot be told of HEAD, and still waits for the body
            self._parser = HttpResponseParser(self)
            self._feed = self._parser.feed_data
        self._bodiless = method == "HEAD"
        self._overhead = 0
        self.status = 0
        self.received = 0
        self.headers_complete = self.complete = self.reusable = False
        self.raw_headers: list[tuple[bytes, bytes]] = []
        self._chunks: list[Any] = []  # of bytes, the first of many perhaps a bytearray

    def forget(self) -> None:
        """Let go of the body, which may be large: whoever has it keeps it."""
        self._chunks = []

    def close(self) -> None:
        """Read no more. The parser and this refer to each other: left so, each pair is work for the garbage collector."""
        del self._parser, self._feed

    def feed(self, data: bytes | memoryview, size: int) -> None:
        """Take `size` bytes that arrived; raise BadResponseError if they cannot be understood."""
        before = self.received
        try:
            self._feed(data)
        except HttpParserUpgrade:
            self.complete, self.reusable = True, False
        except HttpParserError as error:
            self.reusable = False
            if not self.complete:
                raise BadResponseError(f"the response is not valid HTTP: {error}") from None
        if self.complete and not before:
            return  # it came in one go, as most do: there is nothing to bound
        if self.received != before:
            self._overhead = 0
            self._bound_body()
        else:
            self._overhead += size
            if self._overhead > MAX_OVERHEAD_BYTES and not self.complete:
                raise BadResponseError(f"more than {MAX_OVERHEAD_BYTES} bytes of headers")

    def _bound_body(self) -> None:
        """Keep what has come of the body in not much more memory than its bytes; raise BadResponseError if those are too many."""
        if self.received > MAX_BODY_BYTES:
            self.reusable = False
            raise too_large(MAX_BODY_BYTES)
        if len(self._chunks) > MAX_PIECES:
            first, *pieces, last = self._chunks
            whole = first if isinstance(first, bytearray) else bytearray(first)
            whole += b"".join(pieces)  # it grows in place: all of them are copied once, however many come
            self._chunks = [whole, last]

    def end_of_stream(self) -> bool:
        """Take note that the server closed; return whether that completes the response, as a body without length has it."""
        last_coding = (self._field(b"transfer-encoding") or b"").lower().rpartition(b",")[2].strip()
        if self.headers_complete and self.content_length is None and last_coding != b"chunked":
            self.complete = True
        self.reusable = False
        return self.complete

    @property
    def has_begun(self) -> bool:
        """Whether anything of the response has come."""
        return bool(self._overhead or self.headers_complete)

    @property
    def body(self) -> bytes:
        """The body so far, as it was sent."""
        return self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)

    @property
    def content_length(self) -> int | None:
        """The length of the body as announced, in bytes."""
        announced = self._field(b"content-length")
        return None if announced is None else int(announced)

    def _field(self, lower_cased: bytes) -> bytes | None:
        return next((value for name, value in self.raw_headers if name.lower() == lower_cased), None)

    def progress(self) -> str:
        """Return how far the response has come, in words that follow a verb."""
        if not self.headers_complete:
            return "in the middle of the response's headers" if self._overhead else "without a response"
        length = self.content_length
        return (
            f"after {self.received} of {length} bytes"
            if length is not None
            else f"after {self.received} bytes of a body without its end"
        )

    # what follows is called by httptools

    def on_message_begin(self) -> None:
        """Begin a message: the response, or the one after an interim response."""
        if self.complete:
            raise _Surplus
        self.raw_headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; behind the body it is a trailer, which nobody reads."""
        if not self.headers_complete:
            self.raw_headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Note what kind of message this is."""
        status = self._parser.get_status_code()
        if status < 200 and status != 101:
            return
        self.status = status
        self.headers_complete = True
        if self._bodiless:
            self.complete = True
            self.reusable = self._parser.should_keep_alive()

    def on_body(self, part: bytes) -> None:
        """Take a part of the body."""
        if self.complete:
            raise _Surplus
        self.received += len(part)
        self._chunks.append(part)

    def on_message_complete(self) -> None:
        """End a message, unless it was an interim response."""
        if self.headers_complete:
            self.complete = True
            self.reusable = self._parser.should_keep_alive()
