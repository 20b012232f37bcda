"""A response as a task sees it, with the names of Locust's FastResponse and ResponseContextManager."""

from __future__ import annotations

import json
from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from geventhttpclient.header import Headers
from locust.contrib.fasthttp import LocustBadStatusCode, LocustUserAgent
from locust.exception import CatchResponseError, LocustError, ResponseError

from swarm_ext.client.elsewhere import Elsewhere
from swarm_ext.client.text import as_text, encoding_of, pieces_of, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import TracebackType
    from typing import Self

    from swarm_ext.client.request import Request

_NEEDS_CATCH_RESPONSE = (
    "pass catch_response=True and use the response in a with-block, to say whether it is a success"
)


class Response:
    """What a request led to: a response, or none (then `status_code` is 0, `content` None, and `error` says why).

    `url` is where the response came from, behind redirects; `history` has the responses that redirected. Header names
    are found however they are written. `encoding` may be set before `text` is read.
    """

    cookies = Elsewhere(
        "self.client.cookiejar has those of all responses, headers.get('set-cookie') this one's"
    )
    reason = Elsewhere("status_code says it; http.HTTPStatus has the phrases")
    iter_lines = Elsewhere(
        "self.client.iter_lines(url) yields them as they come, text.splitlines() afterwards"
    )
    raw = Elsewhere("content has the body; stream=True leaves it to be read by iter_content()")
    links = Elsewhere("headers.get('link') has them")
    apparent_encoding = Elsewhere("encoding says it once text was read")

    error: Exception | None = None
    encoding: str | None = None
    history: Sequence[Response] = ()
    status_code = 0
    content: bytes | None = None
    fields: Mapping[bytes, bytes] = MappingProxyType({})
    """The last header of each name, lower-cased: bytes as they came, for those who look at each response."""
    _raw_headers: list[tuple[bytes, bytes]] | None = None
    _headers: Headers | None = None
    seconds: float | None = None

    def __init__(self, request: Request) -> None:
        self.request = request

    def take(self, status: int, raw_headers: list[tuple[bytes, bytes]], content: bytes) -> None:
        """Take what came; a Content-Encoding of the body is undone already."""
        self.fields = {name.lower(): value for name, value in raw_headers}
        self.status_code = status
        self.content = content
        self._raw_headers = raw_headers

    @property
    def headers(self) -> Headers | None:
        """The headers, as Locust's: several of one name are a list. None if there was no response."""
        if self._headers is None and self._raw_headers is not None:
            self._headers = headers = Headers()
            for name, value in self._raw_headers:
                headers.add(name.decode("latin-1"), value.decode("latin-1"))
        return self._headers

    @property
    def url(self) -> str:
        """The URL in full, behind redirects."""
        return self.request.url

    @property
    def ok(self) -> bool:
        """Whether the status is below 400; as in Locust, that is so without a response, too."""
        return self.status_code < 400

    @property
    def elapsed(self) -> timedelta:
        """The time from the request being sent to the response being complete; of the last request, behind redirects.

        Without a response, it is the time until that was known.
        """
        return timedelta(seconds=self.seconds or 0)

    @property
    def text(self) -> str | None:
        """The body as text: in `encoding`, else as the headers say, else as it looks like."""
        if self.content is None:
            return None
        if self.encoding is None:
            kind = self.fields.get(b"content-type", b"").decode("latin-1")
            self.encoding = encoding_of(self.content, kind)
        return text_of(self.content, self.encoding)

    def json(self) -> Any:
        """Return the body's JSON; raise ValueError if it is none. It is UTF-8, 16 or 32, else as the headers say."""
        try:
            return json.loads(self.content or b"")
        except UnicodeDecodeError:
            return json.loads(self.text or "")

    def iter_content(self, chunk_size: int = 1024, decode_content: bool = True) -> Iterator[str | bytes]:  # noqa: FBT001, FBT002 - Locust's signature
        """Return the body's pieces: text where it is text, if `decode_content`."""
        pieces = pieces_of(self.content or b"", chunk_size)
        return as_text(pieces) if decode_content else pieces

    def raise_for_status(self) -> None:
        """Raise what made the request a failure, if anything did."""
        if self.error is not None:
            raise self.error

    def __enter__(self) -> Self:
        """Be used in a with-block, which changes nothing: the request is reported already."""
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _: TracebackType | None
    ) -> bool | None:
        """Let through what the block raised."""
        return None

    def success(self) -> None:
        """Raise LocustError: see CaughtResponse."""
        raise LocustError(_NEEDS_CATCH_RESPONSE)

    def failure(self, exc: Exception | str) -> None:  # noqa: ARG002
        """Raise LocustError: see CaughtResponse."""
        raise LocustError(_NEEDS_CATCH_RESPONSE)


def verify_status(response: Response) -> None:
    """Set the error of a response with a status that Locust takes for a failure."""
    status = response.status_code
    if status not in LocustUserAgent.valid_response_codes:
        response.error = LocustBadStatusCode(response.url, code=status)


class CaughtResponse(Response):
    """A response whose request is reported when the with-block ends, as the task judged it by `success` or `failure`."""

    _verdict: Exception | bool | None = None
    _entered = False

    def __init__(self, response: Response, report: Callable[..., None], meta: dict[str, Any]) -> None:
        self.__dict__.update(response.__dict__)
        self._report = report
        self.request_meta = meta

    def __enter__(self) -> Self:
        self._entered = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> bool:
        """Report the request: as the task said, else by its status, else as the ResponseError that the block raised.

        Any other exception from a block that did not say anything ends the task, and the request is not reported.
        """
        if self._verdict is not None:
            self.request_meta["exception"] = None if self._verdict is True else self._verdict
        elif error is None:
            self.request_meta["exception"] = self.error
        elif isinstance(error, ResponseError):
            self.request_meta["exception"] = error
        else:
            return False
        self._report(**self.request_meta)
        return kind is None or self._verdict is None

    def success(self) -> None:
        """Report the request as a success, whatever its status."""
        self._in_block()
        self._verdict = True

    def failure(self, exc: Exception | str) -> None:
        """Report the request as a failure, whatever its status; `exc` is what Locust's table of failures says."""
        self._in_block()
        self._verdict = exc if isinstance(exc, Exception) else CatchResponseError(exc)

    def _in_block(self) -> None:
        if not self._entered:
            raise LocustError(
                "success() and failure() count in a with-block: `with self.client.get(…, catch_response=True) as response:`"
            )

    def raise_for_status(self) -> None:
        """Raise what made the request a failure, in the task's judgement if it has said anything."""
        if self._verdict is None:
            super().raise_for_status()
        elif isinstance(self._verdict, Exception):
            raise self._verdict
