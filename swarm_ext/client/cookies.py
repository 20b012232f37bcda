"""Cookies between requests, by the standard library's jar, as in Locust's own client."""

from __future__ import annotations

import urllib.request
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from http.cookiejar import CookieJar

    from geventhttpclient.header import Headers


class _Answer:
    """What the jar wants of a response."""

    def __init__(self, headers: Headers) -> None:
        self._headers = headers

    def info(self) -> Headers:
        return self._headers


def cookies_for(jar: CookieJar, url: str) -> str | None:
    """Return the Cookie header for a request to a URL; None if there is nothing to send."""
    request = urllib.request.Request(url)  # noqa: S310 - it is not opened
    jar.add_cookie_header(request)
    return request.get_header("Cookie")


def keep_cookies(jar: CookieJar, url: str, headers: Headers) -> None:
    """Put a response's cookies into the jar, those that this URL may set."""
    jar.extract_cookies(_Answer(headers), urllib.request.Request(url))  # type: ignore[arg-type]  # noqa: S310
