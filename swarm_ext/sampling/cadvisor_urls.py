"""The cAdvisor URLs that a user gives, checked before anything is asked."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from swarm_ext.web_address import without_credentials


def parse_urls(text: str) -> list[str]:
    """Return the comma-separated cAdvisor URLs in `text`, without trailing slashes, in order.

    Raise ValueError, one line, where one has no http(s) scheme or no host, a bad port, a query or fragment, or where
    one is given twice. Passwords in a URL are allowed, and never shown.
    """
    urls: list[str] = []
    for part in text.split(","):
        url = part.strip().rstrip("/")
        _check(url)
        if url in urls:
            raise ValueError(f"{without_credentials(url)!r} is given twice; name each cAdvisor once")
        urls.append(url)
    return urls


def _check(url: str) -> None:
    shown = without_credentials(url)
    example = "write it as http://node:70"
    if not url:
        raise ValueError(f"an empty cAdvisor URL; {example}")
    if re.search(r"[\s\x00-\x1f\x7f]", url):
        raise ValueError(f"{shown!r}: a URL has no spaces or control characters; {example}")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        why = "it is no URL" if "@" in url else error  # which would quote what may be half a password
        raise ValueError(f"{shown!r}: {why}; {example}") from None
    if parts.scheme not in {"http", "https"}:
        raise ValueError(f"{shown!r}: a cAdvisor URL begins with http:// or https://; {example}")
    if not parts.hostname:
        raise ValueError(f"{shown!r}: the URL has no host; {example}")
    if port == 0:
        raise ValueError(f"{shown!r}: port 0 is no port; {example}")
    if parts.query or parts.fragment:
        raise ValueError(f"{shown!r}: a cAdvisor URL has no query and no fragment; {example}")
