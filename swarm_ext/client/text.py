"""A body as text, and in pieces. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from charset_normalizer import detect
from requests.utils import get_encoding_from_headers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


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


def pieces_of(body: bytes, size: int | None) -> Iterator[bytes]:
    """Yield a body in pieces of so many bytes; None: in one."""
    step = size or len(body) or 1
    return (body[start : start + step] for start in range(0, len(body), step))


def as_text(pieces: Iterable[bytes]) -> Iterator[str | bytes]:
    """Yield pieces of a body as text where they are UTF-8; a character that ends in the next piece goes to that one."""
    cut = b""
    for piece in pieces:
        whole = cut + piece
        cut = b""
        try:
            yield whole.decode()
        except UnicodeDecodeError as error:
            if error.reason != "unexpected end of data":
                yield whole
                continue
            cut = whole[error.start :]
            if error.start:
                yield whole[: error.start].decode()
    if cut:
        yield cut
