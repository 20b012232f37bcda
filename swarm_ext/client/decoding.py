"""The codings of a body that are understood: those that Locust's clients ask for."""

from __future__ import annotations

import gzip
import zlib
from typing import TYPE_CHECKING

import brotli

from swarm_ext.client.failures import BadResponseError

if TYPE_CHECKING:
    from collections.abc import Callable

ACCEPT_ENCODING = "gzip, deflate, br"
"""What a request asks for unless it says something else."""


def _inflated(body: bytes) -> bytes:
    """Undo `deflate`: in zlib's frame as the standard has it, or bare as some servers send it."""
    try:
        return zlib.decompress(body)
    except zlib.error:
        return zlib.decompress(body, -zlib.MAX_WBITS)


_DECODERS: dict[bytes, Callable[[bytes], bytes]] = {
    b"gzip": gzip.decompress,
    b"x-gzip": gzip.decompress,
    b"deflate": _inflated,
    b"br": brotli.decompress,
    b"identity": bytes,
}


def decoded(body: bytes, coding: bytes) -> bytes:
    """Return a body without its Content-Encoding; raise BadResponseError if it is not what it says."""
    for each in reversed(coding.lower().split(b",")):
        name = each.strip()
        if not name:
            continue  # a header without a word in it
        decode = _DECODERS.get(name)
        if decode is None:
            raise BadResponseError(f"the body has the unknown encoding {name.decode('latin-1')!r}")
        try:
            body = decode(body)
        except (OSError, EOFError, zlib.error, brotli.error) as error:
            raise BadResponseError(f"the body is not {name.decode()}, as its header says: {error}") from None
    return body
