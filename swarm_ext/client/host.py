"""A host as a URL names it, as the resolver takes it, and as others are told of it. Pure."""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import unquote, urlsplit

from swarm_ext.web_address import in_brackets

_LONGEST_LABEL, _LONGEST_NAME = 63, 253
_SHOWN_CHARACTERS = 80
"""How much of a host is told: one that a redirect names may be of any length."""
_NOT_IN_NAMES = re.compile(r"[\x00-\x20#%/:<>?@\[\\\]^|\x7f]")
"""What would end a host's name where it stands, in a URL or a header, or make another of it (WHATWG URL, section 3.1)."""


@lru_cache(maxsize=1024)
def ascii_host(host: str) -> str:
    """Return a host as the resolver takes it; raise ValueError for what can be no name in the DNS.

    A name may be percent-encoded, as browsers have it; its bounds are those of RFC 1035, section 2.3.4, and what is not
    ASCII is written in it by IDNA (RFC 3490). An IPv6 address, here without brackets, may have a zone behind %25, as in
    fe80::1%25eth0 (RFC 6874), or behind a bare %; it comes back behind a bare one.
    """
    if ":" in host:
        return _with_bare_zone(host)
    shown = _shown(host)
    given = unquote(host).lower() if "%" in host else host
    try:
        name = given if given.isascii() else given.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise ValueError(
            f"the host {shown!r} is not a name that IDNA allows: {error.__cause__ or error}"
        ) from None
    if bad := _NOT_IN_NAMES.search(name):
        raise ValueError(f"the host {shown!r} is not a name: {bad.group()!r} is in none")
    whole = name.removesuffix(".")
    if len(whole) > _LONGEST_NAME or not all(0 < len(part) <= _LONGEST_LABEL for part in whole.split(".")):
        raise ValueError(
            f"the host {shown!r} is not a name: each part between dots has 1 to {_LONGEST_LABEL} characters, "
            f"and all of it {_LONGEST_NAME} at most"
        )
    return name


def _with_bare_zone(host: str) -> str:
    address, percent, written = host.partition("%")
    if not percent:
        return host
    zone = written.removeprefix("25")
    if not zone:
        raise ValueError(
            f"the host {_shown(host)!r} has no zone behind its %: name an interface, as in [fe80::1%25eth0]"
        )
    return f"{address}%{zone}"


def _shown(host: str) -> str:
    return host if len(host) <= _SHOWN_CHARACTERS else host[:_SHOWN_CHARACTERS] + "…"


@lru_cache(maxsize=1024)
def in_url(host: str) -> str:
    """Return a host from `ascii_host` as it stands in a URL."""
    address, percent, zone = host.partition("%")
    if percent:
        return f"[{address}%25{zone}]"
    return in_brackets(host)


def without_zone(host: str) -> str:
    """Return a host as others are told of it: the zone of an address means something to this machine only (RFC 6874)."""
    return host.partition("%")[0] if ":" in host else host


def with_ascii_host(url: str) -> str:
    """Return a URL with its host, if it names one, as the resolver takes it; raise ValueError for one that is none."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if ":" in host or (host.isascii() and "%" not in host):
        return url
    credentials, at, place = parts.netloc.rpartition("@")
    _, colon, port = place.partition(":")
    return parts._replace(netloc=f"{credentials}{at}{ascii_host(host)}{colon}{port}").geturl()
