"""A request as it is sent: its bytes, made once. Pure; what could smuggle a second request into them is refused."""

from __future__ import annotations

import json as jsonlib
import re
from base64 import b64encode
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import quote, unquote, urlencode, urlsplit, urlunsplit

Headers = dict[str, Any]
"""Header names and values: str, or what str() makes one of."""

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_FIELD_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_CREDENTIALS = re.compile(r"//[^/?#]*@")
_DEFAULT_PORT = 80
_KEPT_IN_PATHS = "!#$%&'()*+,/:;=?@[]~"
"""Characters of a path or query that are sent as they are; everything else is percent-encoded, as UTF-8."""
_LONGEST_LABEL, _LONGEST_NAME = 63, 253
_SHOWN_CHARACTERS = 80
"""How much of a host is told: one that a redirect names may be of any length."""
_WITH_LENGTH = frozenset({"POST", "PUT", "PATCH"})
IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
"""Methods that a server may be asked for twice with the effect of once (RFC 9110, section 9.2.2)."""


class Target(NamedTuple):
    """Where a request goes: `url` in full, without credentials, and its parts as they are used."""

    url: str
    scheme: str
    host: str
    port: int
    path: str
    authority: str
    authorization: str | None

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port (RFC 6454)."""
        return self.scheme, self.host, self.port


def target(url: str, params: Any = None) -> Target:
    """Return where an absolute URL leads; raise ValueError for one that leads nowhere, or out of its line."""
    shown = _CREDENTIALS.sub("//", url)
    if bad := _CONTROL.search(url):
        raise ValueError(
            f"the URL {shown!r} has the control character {bad.group()!r}: encode it, as %0A for one"
        )
    parts = urlsplit(url)
    if parts.scheme.lower() not in ("http", "https") or not parts.hostname:
        raise ValueError(
            f"the URL {shown!r} has no http:// or https:// and host: give the user class a host, or -H"
        )
    query = parts.query
    if params:
        more = params if isinstance(params, str) else urlencode(params, doseq=True)
        query = f"{query}&{more}" if query else more
    path = quote(parts.path or "/", safe=_KEPT_IN_PATHS)
    if query:
        path += "?" + quote(query, safe=_KEPT_IN_PATHS)
    scheme = parts.scheme.lower()
    host = ascii_host(parts.hostname)
    port = parts.port or (443 if scheme == "https" else _DEFAULT_PORT)
    named = f"[{host}]" if ":" in host else host
    authority = named if parts.port is None else f"{named}:{port}"
    return Target(
        url=urlunsplit((scheme, authority, parts.path, query, "")),
        scheme=scheme,
        host=host,
        port=port,
        path=path,
        authority=authority,
        authorization=basic_auth(unquote(parts.username), unquote(parts.password or ""))
        if parts.username
        else None,
    )


@lru_cache(maxsize=1024)
def ascii_host(host: str) -> str:
    """Return a host as the resolver takes it, an address as it is; raise ValueError for what can be no name in the DNS.

    The bounds are those of RFC 1035, section 2.3.4; what is not ASCII is written in it by IDNA (RFC 3490).
    """
    shown = host if len(host) <= _SHOWN_CHARACTERS else host[:_SHOWN_CHARACTERS] + "…"
    try:
        name = host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise ValueError(
            f"the host {shown!r} is not a name that IDNA allows: {error.__cause__ or error}"
        ) from None
    whole = name.removesuffix(".")
    if len(whole) > _LONGEST_NAME or not all(0 < len(part) <= _LONGEST_LABEL for part in whole.split(".")):
        raise ValueError(
            f"the host {shown!r} is not a name: each part between dots has 1 to {_LONGEST_LABEL} characters, "
            f"and all of it {_LONGEST_NAME} at most"
        )
    return name


def basic_auth(name: str | bytes, password: str | bytes) -> str:
    """Return the value of an Authorization header (RFC 7617)."""
    pair = b":".join(part.encode() if isinstance(part, str) else part for part in (name, password))
    return "Basic " + b64encode(pair).decode("ascii")


class Request:
    """One request: `method`, `target`, `headers` as given, `body`, and `wire`, the bytes that are sent.

    `place` is the host and port that it goes to.
    """

    __slots__ = ("body", "headers", "is_plain_http", "method", "place", "target", "url", "wire")

    def __init__(self, method: str, target: Target, headers: Headers, body: bytes | None) -> None:
        """Raise ValueError for a method or header that would break out of its line."""
        self.method = method
        self.target = target
        self.url = target.url
        self.place = (target.host, target.port)
        self.is_plain_http = target.scheme == "http"
        self.headers = headers
        self.body = body
        self.wire = _head(method, target, headers, body) + (body or b"")

    def with_cookies(self, cookies: str | None) -> Request:
        """Return this request with a Cookie header."""
        return (
            Request(self.method, self.target, {**self.headers, "Cookie": cookies}, self.body)
            if cookies
            else self
        )

    @property
    def payload(self) -> bytes | None:
        """The body, as Locust calls it."""
        return self.body


def _head(method: str, target: Target, headers: Headers, body: bytes | None) -> bytes:
    if not _TOKEN.fullmatch(method):
        raise ValueError(f"the method {method!r} is not one: use letters, as in GET")
    lines = [f"{method} {target.path} HTTP/1.1"]
    given = {name.lower() for name in headers}
    if "host" not in given:
        lines.append(f"Host: {target.authority}")
    for name, value in headers.items():
        lines.append(header_line(name, value))
    if "content-length" not in given and (body is not None or method in _WITH_LENGTH):
        lines.append(f"Content-Length: {len(body or b'')}")
    lines.append("\r\n")
    return "\r\n".join(lines).encode("latin-1")


def header_line(name: Any, value: Any) -> str:
    """Return a header as it is sent, without a line end; raise ValueError for one that would break out of its line."""
    text = (
        value
        if isinstance(value, str)
        else value.decode("latin-1")
        if isinstance(value, bytes)
        else str(value)
    )
    if not isinstance(name, str) or not _TOKEN.fullmatch(name):
        raise ValueError(
            f"the header name {name!r} is not one: letters, digits and dashes, no spaces or line ends"
        )
    if not _FIELD_VALUE.fullmatch(text):
        raise ValueError(
            f"the value {text!r} of the header {name} cannot be sent: no line ends, Latin-1 only"
        )
    return f"{name}: {text}"


def encoded_body(data: Any, json: Any, headers: Headers) -> bytes | None:
    """Return the body's bytes, and put into `headers` what describes them and was not given.

    `data` is str, bytes, a mapping or a list of pairs (sent as a form); `json` is used if there is no data.
    """
    if not data and json is not None:
        _default(headers, "Content-Type", "application/json")
        _default(headers, "Accept", "application/json")
        return jsonlib.dumps(json).encode()
    if not data:
        return None
    if isinstance(data, Mapping | list | tuple):
        _default(headers, "Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
        return urlencode(data, doseq=True).encode()
    if isinstance(data, str):
        _default(headers, "Content-Type", "text/plain; charset=utf-8")
        return data.encode()
    _default(headers, "Content-Type", "application/octet-stream")
    return bytes(data)


def is_whole(data: Any) -> bool:
    """Return whether a body is here as a whole, as opposed to a file or an iterator that it is yet to come from."""
    return data is None or isinstance(data, str | bytes | bytearray | memoryview | Mapping | list | tuple)


def _default(headers: Headers, name: str, value: str) -> None:
    if name.lower() not in {each.lower() for each in headers}:
        headers[name] = value


def merged(defaults: Mapping[str, Any], given: Mapping[str, Any]) -> Headers:
    """Return headers with those given in place of the defaults of the same name, however it is written."""
    if not given:
        return dict(defaults)
    names = {name.lower() for name in given}
    return {**{name: value for name, value in defaults.items() if name.lower() not in names}, **given}
