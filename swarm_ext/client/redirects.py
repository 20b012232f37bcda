"""What a redirect asks for next. Pure (RFC 9110, section 15.4; and as Locust's clients do)."""

from __future__ import annotations

import re
from urllib.parse import urljoin, urlsplit

from swarm_ext.client.failures import BadResponseError
from swarm_ext.client.host import with_ascii_host
from swarm_ext.client.request import Request, target

STATUSES = frozenset({301, 302, 303, 307, 308})
_REWRITTEN_TO_GET = frozenset({301, 302, 303})
_ABOUT_THE_BODY = frozenset({"content-length", "content-type", "content-encoding", "transfer-encoding"})
_BEYOND_ASCII = re.compile(rb"[\x80-\xff]")
"""Servers send such bytes as they are, in UTF-8 mostly; encoded they come back to them as they were."""
_SHOWN_CHARACTERS = 200
"""How much is told of what leads nowhere: it stands in Locust's table of failures, and may be of any length."""
_OF_THE_ORIGIN = frozenset({"authorization", "host"})
NO_SUCH_PATH = "the path {path!r} begins with //, which Locust's FastHttpSession does not send"


def to_nowhere(reason: str) -> BadResponseError:
    """Return the failure of a request that was redirected to where none can go."""
    return BadResponseError(f"redirected to nowhere: {_shortened(reason)}")


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"


def _percent_encoded(found: re.Match[bytes]) -> bytes:
    return b"%%%02X" % found.group()[0]


def ascii_location(location: bytes) -> str:
    """Return a location in ASCII: its host, if it names one, as the resolver takes it, anything else percent-encoded.

    Raise ValueError for a host that can be no name, and for where HTTP does not lead.
    """
    text = _BEYOND_ASCII.sub(_percent_encoded, location).decode("ascii")
    scheme = urlsplit(text).scheme
    if scheme not in ("", "http", "https"):
        raise ValueError(f"{scheme}: is neither http:// nor https://")
    return with_ascii_host(text)


def following(request: Request, status: int, location: bytes) -> Request:
    """Return the request that follows a redirect of `status` to `location`, which may be relative.

    301, 302 and 303 turn any method but HEAD into a GET without body; 307 and 308 repeat the request. Credentials do not
    leave their origin, and cookies are for the caller to set anew. Raise BadResponseError for a location that is none.
    """
    try:
        where = target(urljoin(request.url, ascii_location(location)))
    except ValueError as error:
        raise to_nowhere(str(error)) from None
    if where.scheme == "https" and where.path.startswith("//"):
        raise to_nowhere(NO_SUCH_PATH.format(path=where.path))
    method, body = request.method, request.body
    dropped = {"cookie"}
    if status in _REWRITTEN_TO_GET and method != "HEAD":
        method, body = "GET", None
        dropped |= _ABOUT_THE_BODY
    if where.origin != request.target.origin:
        dropped |= _OF_THE_ORIGIN
    headers = {name: value for name, value in request.headers.items() if name.lower() not in dropped}
    return Request(method, where, headers, body)
