"""The HTTP client of one node's cAdvisor. What the answers mean is `cadvisor_wire`'s business.

It is Python's own `http.client` and not requests: of a poll's two exchanges each takes 0.5 ms of CPU by the one and 1.3 ms by
the other, and arrivals wait for that.
"""

from __future__ import annotations

import http.client
import socket
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import unquote_to_bytes, urlsplit

from swarm_ext.sampling.cadvisor_urls import parse_urls
from swarm_ext.sampling.cadvisor_wire import (
    WireError,
    decode_container,
    decode_containers,
    decode_machine,
    encode_request,
)
from swarm_ext.sampling.timed_response import Patience, keep_to
from swarm_ext.web_address import basic_auth, without_credentials

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from types import TracebackType
    from typing import Self

    from swarm_ext.sampling.cadvisor_wire import ContainerInfo, ContainersReply, Machine

API = "/api/v1.3"
MAX_BODY_BYTES = 64 * 2**20
TIMEOUT_SECONDS = (2.0, 5.0)
"""To connect, and to wait for more of an answer: a node that is slower cannot be sampled every second anyhow."""
_CHUNK_BYTES = 2**16
_EXCERPT_CHARACTERS = 160

AnswerT = TypeVar("AnswerT")


class CAdvisorError(Exception):
    """cAdvisor gave no usable answer. The text is one line: which URL, what happened, the remedy if there is one."""


class _ConnectTimeoutError(TimeoutError):
    """No connection was made in time."""


class ReplyTooLargeError(CAdvisorError):
    """The answer is larger than `MAX_BODY_BYTES`: ask for fewer points."""


class CAdvisor:
    """One node's cAdvisor at `url`, over one kept-alive connection. Not for concurrent use; close it after use.

    `timeout_seconds` bounds connecting (to each address of the host) and each silence of the server; their sum bounds the
    time until the whole answer is there, however it trickles. Every method raises CAdvisorError and nothing else.
    `let_others` is called in the middle of what takes milliseconds, which is to read what many containers did.
    """

    received_at = 0.0
    """When the last answer had come, before it was read: seconds since the epoch, by our clock."""

    def __init__(
        self,
        url: str,
        *,
        timeout_seconds: tuple[float, float] = TIMEOUT_SECONDS,
        max_body_bytes: int = MAX_BODY_BYTES,
        let_others: Callable[[], object] = lambda: None,
    ) -> None:
        (self._base,) = parse_urls(url)
        self._timeout_seconds = timeout_seconds
        self._max_body_bytes = max_body_bytes
        self._let_others = let_others
        self._parts = urlsplit(self._base)
        self._headers = {"Accept": "application/json", "User-Agent": "swarm-ext"}
        if self._parts.username is not None:
            pair = map(unquote_to_bytes, (self._parts.username, self._parts.password or ""))
            self._headers["Authorization"] = basic_auth(*pair)
        self._patience = Patience(silence_seconds=timeout_seconds[1], whole_seconds=sum(timeout_seconds))
        self._connection = self._new_connection()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"CAdvisor({without_credentials(self._base)!r})"

    def containers(self, since: datetime | None = None, *, points: int = -1) -> ContainersReply:
        """Return every Docker container with its `points` newest points (-1: all) since `since`, inclusive.

        `since` is the *node's* time; None reaches back as far as cAdvisor remembers.
        """
        decode = partial(decode_containers, let_others=self._let_others)
        return self._ask("POST", f"{API}/docker/", decode, encode_request(since, points))

    def root(self, since: datetime | None = None, *, points: int = -1) -> ContainerInfo:
        """Return the container "/", which is the whole machine; arguments as for `containers`."""
        return self._ask("POST", f"{API}/containers/", decode_container, encode_request(since, points))

    def machine(self) -> Machine:
        """Return the node's number of cores and its memory."""
        return self._ask("GET", f"{API}/machine", decode_machine)

    def close(self) -> None:
        """Close the connection. Idempotent."""
        self._connection.close()

    def _new_connection(self) -> http.client.HTTPConnection:
        """Return a connection to the node itself: neither proxies nor .netrc have a part in it."""
        kind = http.client.HTTPSConnection if self._parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(self._parts.hostname or "", self._parts.port, timeout=self._timeout_seconds[0])
        keep_to(self._patience, connection)
        return connection

    def _ask(
        self, method: str, path: str, decode: Callable[[bytes], AnswerT], body: bytes | None = None
    ) -> AnswerT:
        shown = without_credentials(self._base + path)
        self._patience.begin()
        try:
            with self._sent(method, path, body) as response:
                answer = self._read(response, shown)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise CAdvisorError(f"{shown}: {_why(error, self._timeout_seconds)}") from error
        except BaseException:
            self.close()  # what comes next on it is unknown
            raise
        self.received_at = time.time()
        self._let_others()
        try:
            return decode(answer)
        except WireError as error:
            raise CAdvisorError(
                f"{shown}: not cAdvisor's JSON: {error}; it begins {_excerpt(answer)!r}"
            ) from None

    def _sent(self, method: str, path: str, body: bytes | None) -> http.client.HTTPResponse:
        """Send a request and return its response, whose body is still to be read; a kept connection may have been closed."""
        headers = self._headers if body is None else {**self._headers, "Content-Type": "application/json"}
        is_kept = self._connection.sock is not None
        try:
            return self._exchanged(method, path, body, headers)
        except ConnectionError:
            if not is_kept:
                raise
            self.close()
            return self._exchanged(method, path, body, headers)

    def _exchanged(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> http.client.HTTPResponse:
        if self._connection.sock is None:
            self._connect()
        self._connection.sock.settimeout(self._timeout_seconds[1])  # what is left of the last answer's is set
        self._connection.request(method, self._parts.path + path, body, headers)
        return self._connection.getresponse()

    def _connect(self) -> None:
        try:
            self._connection.connect()
        except TimeoutError:
            raise _ConnectTimeoutError from None

    def _read(self, response: http.client.HTTPResponse, shown: str) -> bytes:
        if 300 <= response.status < 400:
            raise CAdvisorError(
                f"{shown}: HTTP {response.status}, a redirect to {_target(response)}, which is not followed: "
                "cAdvisor never redirects, so this is a proxy or a login page; give cAdvisor's own address"
            )
        chunks: list[bytes] = []
        size = 0
        while chunk := response.read(_CHUNK_BYTES):
            size += len(chunk)
            chunks.append(chunk)
            if size > self._max_body_bytes:
                raise ReplyTooLargeError(
                    f"{shown}: the answer is larger than {self._max_body_bytes} bytes: refused; ask for less history"
                )
        if response.length:  # http.client tells by itself only of chunks that are cut off
            raise http.client.IncompleteRead(b"", response.length)
        answer = b"".join(chunks)
        if response.status != 200:
            raise CAdvisorError(
                f"{shown}: HTTP {response.status} {response.reason}: {_excerpt(answer)!r}"
                f"{_REMEDIES.get(response.status, '')}"
            )
        return answer


_REMEDIES = {
    401: "; put the user and password into the URL",
    403: "; put the user and password into the URL",
    404: "; is this cAdvisor's address, and its version 0.27 or later?",
}


def _target(response: http.client.HTTPResponse) -> str:
    try:
        parts = urlsplit(response.headers.get("Location", ""))
        return (
            f"{parts.scheme}://{parts.hostname}" if parts.hostname else repr(parts.path[:_EXCERPT_CHARACTERS])
        )
    except ValueError:
        return "an address that is none"


def warm_up() -> None:
    """Ask once where nobody answers: the first request of a process takes 6 ms of CPU, each later one 2 ms.

    Made beside the first arrivals it was seen in their lag: at 21,000/s 5 to 9 ms in the 99th percentile of that second.
    """
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        with CAdvisor(f"http://127.0.0.1:{nobody.getsockname()[1]}") as cadvisor, suppress(CAdvisorError):
            cadvisor.machine()


def _excerpt(answer: bytes) -> str:
    text = answer[: 4 * _EXCERPT_CHARACTERS].decode("utf-8", "replace")
    return " ".join(text.split())[:_EXCERPT_CHARACTERS]


_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (
        ConnectionRefusedError,
        "connection refused: nothing listens there; is cAdvisor running, and published on this port?",
    ),
    (socket.gaierror, "the host's name cannot be resolved"),
    (
        _ConnectTimeoutError,
        "no connection within {connect:g} s; is the node up, and its port open from here?",
    ),
    (TimeoutError, "connected, but no answer within {read:g} s; the node may be overloaded"),
    (http.client.IncompleteRead, "the answer was cut off: the connection ended within it"),
    (ConnectionError, "the connection was closed without an answer"),
)
"""The first that an error is, is told: the exact ones stand before the general ones."""


def _why(error: Exception, timeout_seconds: tuple[float, float]) -> str:
    connect_seconds, read_seconds = timeout_seconds
    for kind, reason in _REASONS:
        if isinstance(error, kind):
            return reason.format(connect=connect_seconds, read=read_seconds)
    return " ".join(str(error).split()) or type(error).__name__
