"""Responses of Locust's own client that are read, and fail, as the lean client's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from geventhttpclient.response import HTTPParseError
from locust.contrib.fasthttp import ErrorResponse, FastResponse, ResponseContextManager

from swarm_ext.client.decoding import decoded
from swarm_ext.client.fast_failures import forget_the_way, of_the_body
from swarm_ext.client.size import MAX_BODY_BYTES, too_large
from swarm_ext.client.text import as_text, encoding_of, pieces_of, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

_PIECE_BYTES = 64 * 1024


class _Readable(FastResponse):
    """A response whose text is there whatever its headers say; theirs raises for two Content-Types, or a charset unheard of."""

    @property
    def text(self) -> str | None:  # type: ignore[override]
        """The body as text: in `encoding`, else as the headers say, else as it looks like."""
        content: bytes | None = self.content
        if content is None:
            return None
        if self.encoding is None:
            kinds = self.headers.getlist("content-type") if self.headers else []
            self.encoding = encoding_of(content, kinds[-1] if kinds else "")
        return text_of(content, None if self.encoding is None else str(self.encoding))

    def json(self) -> Any:
        """Return the body's JSON; raise ValueError if it is none. It is UTF-8, 16 or 32, else as the headers say."""
        try:
            return json.loads(self.content or b"")
        except UnicodeDecodeError:
            return json.loads(self.text or "")


class WholeResponse(_Readable):
    """A response whose body is decoded, and fails, as the lean client's."""

    network_timeout: float | None = None
    """How long each silence of the server may last, in seconds."""

    def _content(self) -> bytes | None:  # type: ignore[override]
        headers = self.headers
        if headers is None:
            return None
        body = bytearray()
        for piece in self._pieces(_PIECE_BYTES):
            body += piece
            if len(body) > MAX_BODY_BYTES:
                break
        self.release()
        if len(body) > MAX_BODY_BYTES:
            raise too_large(MAX_BODY_BYTES)
        codings = headers.getlist("content-encoding")
        return decoded(bytes(body), ",".join(codings).encode("latin-1")) if codings and body else bytes(body)

    def iter_content(self, chunk_size: int = 1024, decode_content: bool = True) -> Iterator[str | bytes]:  # noqa: FBT001, FBT002 - Locust's signature
        """Return the body's pieces as they come: text where it is text, if `decode_content`.

        Raise RequestError if it breaks off, or if there is no response.
        """
        if self._response is None:
            self.raise_for_status()  # type: ignore[no-untyped-call]
        body = getattr(self, "_cached_content", None)  # read already, unless it is a stream
        pieces = self._pieces(chunk_size) if body is None else pieces_of(body, chunk_size)
        return as_text(pieces) if decode_content else pieces

    def _pieces(self, size: int) -> Iterator[bytes]:
        received = 0
        while piece := self._piece(size, received):
            received += len(piece)
            yield piece

    def _piece(self, size: int, received: int) -> bytes:
        try:
            return self.read(size)
        except (OSError, HTTPParseError) as error:
            received += len(self.read())  # what there was of it
            announced = self.headers.get("content-length") if self.headers else None
            raise of_the_body(error, received, announced, self.network_timeout) from None


class NoResponse(WholeResponse, ErrorResponse):  # type: ignore[override] # theirs has an attribute text
    """What stands for a response that did not come, or not whole. `_elapsed`: the seconds until that was known."""


class CaughtFastResponse(WholeResponse, ResponseContextManager):
    """A response whose request is reported when the with-block ends, as the task judged it."""

    def __init__(self, response: Any, request_event: Any, request_meta: dict[str, Any]) -> None:
        super().__init__(response, request_event, request_meta, True)  # noqa: FBT003 - it is for a with-block
        self._elapsed, self._history = response._elapsed, response._history  # noqa: SLF001 - theirs leaves them out

    def __exit__(self, *raised: object) -> Any:
        """Report the request; what was raised on the way is not kept from being freed."""
        try:
            return super().__exit__(*raised)  # type: ignore[no-untyped-call]
        finally:
            forget_the_way(getattr(self, "error", None))
