"""HTTP responses of `http.client` that are read within a time, however slowly the server lets them trickle.

A socket's own timeout bounds each silence only, and `http.client` reads until a line, a chunk or as much as it was asked
for is there: a server that sends one byte a second would hold its reader for hours.
"""

from __future__ import annotations

import http.client
import io
import time
from functools import partial
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    import socket

    from _typeshed import WriteableBuffer


class LateAnswerError(http.client.HTTPException):
    """Some of the answer came, and not the whole of it in time."""


class Patience:
    """How long is waited for an answer: `silence_seconds` for its next bytes, `whole_seconds` from `begin` to its end."""

    def __init__(self, *, silence_seconds: float, whole_seconds: float) -> None:
        self._silence_seconds = silence_seconds
        self._whole_seconds = whole_seconds
        self.begin()

    def begin(self) -> None:
        """Wait anew from now."""
        self._deadline = time.monotonic() + self._whole_seconds

    def seconds(self) -> float:
        """Return how long the next bytes are waited for; raise LateAnswerError if there is no time left."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise LateAnswerError(f"the answer was not complete after {self._whole_seconds:g} s")
        return min(left, self._silence_seconds)


def keep_to(patience: Patience, connection: http.client.HTTPConnection) -> None:
    """Let the connection's responses be read with `patience`.

    Their reading raises LateAnswerError at the end of the whole time, and TimeoutError after a silence.
    """
    kind = partial(_TimedResponse, patience)
    connection.response_class = cast("type[http.client.HTTPResponse]", kind)  # it is called, and no more


class _TimedResponse(http.client.HTTPResponse):
    def __init__(
        self, patience: Patience, sock: socket.socket, debuglevel: int = 0, method: str | None = None
    ) -> None:
        super().__init__(sock, debuglevel, method)
        self.fp = io.BufferedReader(_TimedReader(patience, sock, self.fp.detach()))


class _TimedReader(io.RawIOBase):
    """The bytes of `raw`, which is the reading side of `sock`."""

    def __init__(self, patience: Patience, sock: socket.socket, raw: io.RawIOBase) -> None:
        self._patience = patience
        self._sock = sock
        self._raw = raw

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        self._sock.settimeout(self._patience.seconds())
        try:
            return self._raw.readinto(buffer)
        except TimeoutError:
            self._patience.seconds()  # was it the silence, or the end of the whole time?
            raise

    def close(self) -> None:
        self._raw.close()
        super().close()
