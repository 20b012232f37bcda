"""A body as text. Pure."""

from __future__ import annotations

from charset_normalizer import detect
from requests.utils import get_encoding_from_headers


def encoding_of(body: bytes, content_type: str) -> str | None:
    """Return the encoding that a Content-Type says, else what the body looks like; None if it looks like nothing."""
    declared = get_encoding_from_headers({"content-type": content_type})
    return declared or detect(body)["encoding"]


def text_of(body: bytes, encoding: str | None) -> str:
    """Return a body as text: in UTF-8 if there is no encoding, or one that nobody knows or that is not for bodies."""
    try:
        return str(body, encoding or "utf-8", errors="replace")
    except (LookupError, UnicodeError):
        return str(body, "utf-8", errors="replace")
