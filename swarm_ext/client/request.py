"""A request as it is sent: its bytes, made once. Pure; what could smuggle a second request into them is refused."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import SplitResult, quote, unquote, urlencode, urlsplit, urlunsplit

from swarm_ext.client.host import ascii_host, in_url, without_zone
from swarm_ext.web_address import basic_auth, without_credentials

Headers = dict[str, Any]
"""Header names and values: str, or what str() makes one of."""

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_FIELD_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_ABSOLUTE = re.compile("https?://", re.IGNORECASE)
_DEFAULT_PORT = 80
_KEPT_IN_PATHS = "!#$%&'()*+,/:;=?@[]~"
"""Characters of a path or query that are sent as they are; everything else is percent-encoded, as UTF-8."""
_WITH_LENGTH = frozenset({"POST", "PUT", "PATCH"})
IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
"""Methods that a server may be asked for twice with the effect of once (RFC 9110, section 9.2.2)."""


class Target(NamedTuple):
    """Where a request goes: `url` in full, without credentials, and its parts as they are used.

    `authority` is what the server is told of its host and port.
    """

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
    if bad := _CONTROL.search(url):
        raise ValueError(
            f"the URL {without_credentials(url)!r} has the control character {bad.group()!r}: "
            "encode it, as %0A for one"
        )
    try:
        parts = urlsplit(url)
        given_host, given_port = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"{error}, in the URL {without_credentials(url)!r}") from None
    if parts.scheme.lower() not in ("http", "https") or not given_host:
        raise ValueError(
            f"the URL {without_credentials(url)!r} has no http:// or https:// and host: "
            "give the user class a host, or -H"
        )
    if given_port == 0:
        raise ValueError(f"the URL {without_credentials(url)!r} has port 0, which is none: give 1 to 65535")
    query = parts.query
    if params:
        more = query_of(params)
        query = f"{query}&{more}" if query and more else query or more
    path = quote(parts.path or "/", safe=_KEPT_IN_PATHS)
    if query:
        path += "?" + quote(query, safe=_KEPT_IN_PATHS)
    scheme = parts.scheme.lower()
    host = ascii_host(given_host)
    port = given_port or (443 if scheme == "https" else _DEFAULT_PORT)
    named = in_url(host)
    behind = "" if given_port is None else f":{port}"
    return Target(
        url=urlunsplit((scheme, named + behind, parts.path, query, "")),
        scheme=scheme,
        host=host,
        port=port,
        path=path,
        authority=(in_url(without_zone(host)) if "%" in host else named) + behind,
        authorization=_credentials(parts) if "@" in parts.netloc else None,
    )


def _credentials(parts: SplitResult) -> str | None:
    name, password = unquote(parts.username or ""), unquote(parts.password or "")
    return basic_auth(name, password) if name or password else None


def full_url(base_url: str, url: str) -> str:
    """Return a URL in full: one that is not absolute is a path on the host of `base_url`.

    Raise ValueError for a path that would become a part of the host's name or port.
    """
    if not isinstance(url, str):
        raise TypeError(f"the URL is {reprlib.repr(url)}: give a str, as in '/basket'")
    if url.startswith("/"):
        return base_url + url
    if _ABSOLUTE.match(url):
        return url
    if url and url[0] not in "?#" and base_url.count("/") == len("//"):
        raise ValueError(
            f"the path {without_credentials(url)!r} does not begin with /, nor is it an http:// or https:// URL"
        )
    return base_url + url


def query_of(params: Any) -> str:
    """Return what is added to a query: of a mapping or of pairs what has a value, None being none.

    Raise TypeError for what is not params.
    """
    if isinstance(params, str):
        return params
    if isinstance(params, bytes):
        return params.decode()
    try:
        pairs = params.items() if isinstance(params, Mapping) else params
        given = [(name, value) for name, value in pairs if value is not None]
    except (TypeError, ValueError):
        raise TypeError(
            f"params is {reprlib.repr(params)}: give a mapping, a list of pairs, str or bytes"
        ) from None
    return urlencode(given, doseq=True)


def authorization(auth: Any) -> str:
    """Return the value of an Authorization header for a pair of name and password; raise TypeError for what is none."""
    if (
        isinstance(auth, list | tuple)
        and len(auth) == 2
        and all(isinstance(part, str | bytes) for part in auth)
    ):
        return basic_auth(*auth)
    raise TypeError(
        f"auth is a {type(auth).__name__}: give a pair of name and password, each str or bytes, "
        "or, for what is not Basic, the header Authorization"
    )


def checked_method(method: Any) -> str:
    """Return a method in capitals; raise TypeError for what is no str."""
    if not isinstance(method, str):
        raise TypeError(f"the method is {reprlib.repr(method)}: give a str, as in 'GET'")
    return method.upper()


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
        if isinstance(value, list | tuple):
            lines.extend(header_line(name, each) for each in value)
        else:
            lines.append(header_line(name, value))
    if "content-length" in given or "transfer-encoding" in given:
        _check_framing(headers, len(body or b""))
    elif body is not None or method in _WITH_LENGTH:
        lines.append(f"Content-Length: {len(body or b'')}")
    lines.append("\r\n")
    return "\r\n".join(lines).encode("latin-1")


def _check_framing(headers: Headers, size: int) -> None:
    """Raise ValueError for a header after which a server takes another end of the body than it has."""
    for name, value in headers.items():
        if name.lower() == "transfer-encoding":
            raise ValueError(
                f"the header {name} cannot be given with a body that is sent as a whole: leave it out, "
                "or give data from an iterator, which is sent in chunks"
            )
        if name.lower() == "content-length" and str(value).strip() != str(size):
            raise ValueError(
                f"the header {name} says {value!r}, and the body has {size} bytes: leave it out, as it is added"
            )


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


def merged(defaults: Mapping[str, Any], given: Mapping[str, Any]) -> Headers:
    """Return headers with those given in place of the defaults of the same name, however it is written.

    One that is None is left out, and so is the default of that name. Raise TypeError for what are no headers.
    """
    if not given:
        return dict(defaults)
    own = as_headers(given)
    names = {name.lower() for name in own}
    both = {**{name: value for name, value in defaults.items() if name.lower() not in names}, **own}
    return (
        {name: value for name, value in both.items() if value is not None} if None in both.values() else both
    )


def as_headers(given: Any) -> Headers:
    """Return a mapping or a list of pairs as headers; raise TypeError for what is neither."""
    try:
        headers = dict(given)
        "".join(headers)  # each is a str
    except (TypeError, ValueError):
        raise TypeError(
            f"headers is {reprlib.repr(given)}: give a mapping of names, each a str, to values"
        ) from None
    return headers
