"""The codings of a body: those that Locust's clients ask for are undone, within a bound; with any other it stays as it came.

`gzip` (also `x-gzip`), `deflate` and `br` are known, one upon the other too, and `identity` is none; case does not matter.
A word that is not known (`zstd`, `compress`, or `utf-8` by mistake) is no failure: the task gets the body as it was sent,
as with HttpUser, and as browsers have it. If one of several is not known none is undone, so that the header still tells
what the body is. FastHttpSession raises ValueError there, and the request is in none of Locust's tables.

A body that is not what its header says, or that is cut short, is a failed request. What follows the end of a gzip or
zlib stream is passed over, by the other clients too.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import brotli

from swarm_ext.client.failures import BadResponseError
from swarm_ext.client.size import MAX_BODY_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

ACCEPT_ENCODING = "gzip, deflate, br"
"""What a request asks for unless it says something else."""

MAX_CODINGS = 5
"""How many codings one upon the other are undone, each at the cost of a whole body."""

_PIECE_BYTES = 64 * 1024
"""How much is given to zlib at a time: it copies what it leaves over, once for each of the members of a gzip body."""

_GZIP, _ZLIB, _BARE = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS
_GZIP_MEMBER = b"\x1f\x8b"


class _TooLarge(Exception):  # noqa: N818 - it becomes a BadResponseError where the bound of the whole body is known
    """There is more content than there is room for."""


def decoded(body: bytes, coding: bytes, at_most: int = MAX_BODY_BYTES) -> bytes:
    """Return a body without its Content-Encoding, or as it came if that is not known.

    Raise BadResponseError if it is not what the coding says, or gets larger than `at_most` bytes on the way.
    """
    names = [name for each in coding.lower().split(b",") if (name := each.strip()) not in {b"", b"identity"}]
    if not _DECODERS.keys() >= set(names):
        return body
    if len(names) > MAX_CODINGS:
        raise BadResponseError(f"the body is encoded {len(names)} times: at most {MAX_CODINGS} are undone")
    for name in reversed(names):
        try:
            body = _DECODERS[name](body, at_most)
        except _TooLarge:
            raise BadResponseError(
                f"the body is more than {at_most / 2**20:g} MiB when decoded: "
                "headers={'Accept-Encoding': 'identity'} asks for it as it is"
            ) from None
        except (EOFError, zlib.error, brotli.error) as error:
            reason = str(error).rpartition(": ")[2]
            raise BadResponseError(f"the body is not {name.decode()}, as its header says: {reason}") from None
    return body


def _gunzipped(body: bytes, at_most: int) -> bytes:
    """Undo `gzip`: one member after the other (RFC 1952, section 2.2)."""
    content, end = _inflated(body, _GZIP, at_most)
    members = [content]
    while body.startswith(_GZIP_MEMBER, end):
        at_most -= len(content)
        content, end = _inflated(body, _GZIP, at_most, end)
        members.append(content)
    return b"".join(members)


def _undeflated(body: bytes, at_most: int) -> bytes:
    """Undo `deflate`: in zlib's frame as the standard has it (RFC 1950), or bare (RFC 1951) as some servers send it.

    The frame's first two bytes are a multiple of 31, and the first ends in 8; no encoder begins so without the frame, as
    it would be a stored block with its padding set.
    """
    framed = len(body) > 1 and body[0] & 0x0F == 8 and int.from_bytes(body[:2], "big") % 31 == 0
    return _inflated(body, _ZLIB if framed else _BARE, at_most)[0]


def _inflated(body: bytes, window_bits: int, at_most: int, start: int = 0) -> tuple[bytes, int]:
    """Undo the zlib stream that begins at `start`; return its content, and where it ends."""
    stream = zlib.decompressobj(window_bits)
    room = at_most + 1
    parts = []
    while not stream.eof:
        piece = body[start : start + _PIECE_BYTES]
        if not piece:
            raise EOFError("it ends too early")
        part = stream.decompress(piece, room)
        room -= len(part)
        if not room:
            raise _TooLarge
        parts.append(part)
        start += len(piece) - len(stream.unused_data)
    return b"".join(parts), start


def _unbrotlied(body: bytes, at_most: int) -> bytes:
    """Undo `br`. Its library stops at the end of the block of memory in which the bound is passed."""
    stream = brotli.Decompressor()
    content: bytes = stream.process(body, output_buffer_limit=at_most + 1)
    if len(content) > at_most:
        raise _TooLarge
    if not stream.is_finished():
        raise EOFError("it ends too early")
    return content


_DECODERS: dict[bytes, Callable[[bytes, int], bytes]] = {
    b"gzip": _gunzipped,
    b"x-gzip": _gunzipped,
    b"deflate": _undeflated,
    b"br": _unbrotlied,
}
