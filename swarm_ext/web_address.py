"""What is read out of a web address, and what of it may be shown. Pure, and without Locust: the command line uses it too."""

from __future__ import annotations

import re
from base64 import b64encode
from urllib.parse import urlsplit

_CREDENTIALS = re.compile(
    r"^((?:[a-z][a-z0-9+.-]*:)?//|(?=[^/?#@]*:))"  # no relative path has a colon in its first part (RFC 3986, section 4.2)
    r"(?:[^/?#]*@|[^/?#@\[]*:(?!\d*(?:[/?#]|$)).*@)",
    re.DOTALL | re.IGNORECASE,
)
_DEFAULT_PORTS = {"http": 80, "https": 443}


def without_credentials(url: str) -> str:
    """Return `url` without the user and password that it may contain: fit to be shown and logged.

    What stands in its path or query is not taken for them, nor is what a relative path has. It works on what is no URL
    as well: without a scheme (`user:password@host`), or with a password whose / ? # are not percent-encoded.
    """
    return _CREDENTIALS.sub(r"\1", url)


def basic_auth(name: str | bytes, password: str | bytes) -> str:
    """Return the value of an Authorization header (RFC 7617): str is sent in Latin-1 as by Locust's clients, else in UTF-8."""
    pair = b":".join(_encoded(part) if isinstance(part, str) else part for part in (name, password))
    return "Basic " + b64encode(pair).decode("ascii")


def _encoded(text: str) -> bytes:
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode()


def in_brackets(host: str) -> str:
    """Return a host, a name or an address, as it stands before `:port`: an IPv6 address in brackets (RFC 3986, section 3.2.2)."""
    return f"[{host}]" if ":" in host else host


def host_and_port(url: str) -> str:
    """Return `host:port` of a valid http or https URL, the port being the scheme's own where none is given."""
    parts = urlsplit(url)
    return f"{in_brackets(parts.hostname or '')}:{parts.port or _DEFAULT_PORTS[parts.scheme]}"
