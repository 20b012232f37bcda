"""The little of HTTP/1.1 that the /primecheck application speaks: bytes in, `Request` out; `Response` in, bytes out.

Pure functions, standard library only. After anything but a plain GET the connection is closed, so that a request's
body is never taken for the next request, nor the body of a response to HEAD for the next response (RFC 9112, 6).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

HEAD_LIMIT_BYTES = 16_384
"""A longer request line and header section is refused (431)."""

_REQUEST_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([!-~]+) HTTP/1\.([01])")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n\x00]*)")


class BadRequest(Exception):  # noqa: N818  the status says that it is an error
    """The client's bytes are not a request that this application accepts."""

    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


@dataclass(frozen=True, slots=True)
class Request:
    """One request's head. `path` has no query; `keep_alive`: the connection may carry another request after it."""

    method: str
    path: str
    keep_alive: bool


@dataclass(frozen=True, slots=True)
class Response:
    """A status, a JSON body and extra headers."""

    status: HTTPStatus
    body: Mapping[str, object]
    headers: Mapping[str, str] = field(default_factory=dict)

    def encode(self, *, close: bool) -> bytes:
        """Return the bytes for the wire; `close` announces that no other response follows on this connection."""
        body = json.dumps(self.body).encode() + b"\n"
        headers = {
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "Connection": "close" if close else "keep-alive",
            **self.headers,
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"HTTP/1.1 {self.status.value} {self.status.phrase}\r\n{head}\r\n".encode("latin-1") + body


def take_request(received: bytearray) -> Request | None:
    """Take one request's head off the front of `received`; None while it is incomplete; raise BadRequest."""
    while received.startswith(b"\r\n"):
        del received[:2]
    end = received.find(b"\r\n\r\n", 0, HEAD_LIMIT_BYTES)
    if end < 0:
        if len(received) >= HEAD_LIMIT_BYTES:
            raise BadRequest(
                HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
                f"the request's headers are longer than {HEAD_LIMIT_BYTES} bytes; send fewer or shorter ones",
            )
        return None
    head = bytes(received[:end])
    del received[: end + 4]
    return _parse(head)


def _parse(head: bytes) -> Request:
    first, *rest = head.split(b"\r\n")
    line = _REQUEST_LINE.fullmatch(first)
    if line is None:
        raise BadRequest(
            HTTPStatus.BAD_REQUEST, "this is not an HTTP/1.1 request line; send `GET /primecheck HTTP/1.1`"
        )
    fields: dict[bytes, bytes] = {}
    for raw in rest:
        matched = _FIELD.fullmatch(raw)
        if matched is None:
            raise BadRequest(HTTPStatus.BAD_REQUEST, "a header line is malformed; send `Name: value`")
        fields[matched[1].lower()] = matched[2].strip().lower()
    connection = {token.strip() for token in fields.get(b"connection", b"").split(b",")}
    has_body = b"transfer-encoding" in fields or fields.get(b"content-length", b"0") != b"0"
    wants_more = b"close" not in connection if line[3] == b"1" else b"keep-alive" in connection
    method = line[1].decode("ascii")
    path = line[2].split(b"?", 1)[0].decode("ascii")
    return Request(method, path, keep_alive=wants_more and method == "GET" and not has_body)
