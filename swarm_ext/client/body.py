"""The body of a request: whether it is here as a whole, and its bytes. Pure."""

from __future__ import annotations

import json as jsonlib
import reprlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

if TYPE_CHECKING:
    from swarm_ext.client.request import Headers


def is_whole(data: Any) -> bool:
    """Return whether a body is here as a whole, as opposed to a file or an iterator that it is yet to come from.

    Raise TypeError for what is neither.
    """
    if data is None or isinstance(data, str | bytes | bytearray | memoryview | Mapping | list | tuple):
        return True
    if not (hasattr(data, "read") or hasattr(data, "__next__")):
        raise TypeError(
            f"data is {reprlib.repr(data)}: give str, bytes, a mapping or list of pairs, a file or an iterator of bytes"
        )
    return False


def encoded_body(data: Any, json: Any, headers: Headers) -> bytes | None:
    """Return the body's bytes, and put into `headers` what describes them and was not given.

    `data` is str, bytes, a mapping or a list of pairs (sent as a form); `json` is used if there is no data. Raise TypeError
    for a list of anything else, or for what JSON does not have.
    """
    if not data and json is not None:
        _default(headers, "Content-Type", "application/json")
        _default(headers, "Accept", "application/json")
        return jsonlib.dumps(json).encode()
    if not data:
        return None
    if isinstance(data, Mapping | list | tuple):
        _default(headers, "Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
        try:
            return urlencode(data, doseq=True).encode()
        except (TypeError, ValueError):
            raise TypeError(
                f"data is {reprlib.repr(data)}: as a form it is a mapping or a list of pairs"
            ) from None
    if isinstance(data, str):
        _default(headers, "Content-Type", "text/plain; charset=utf-8")
        return data.encode()
    _default(headers, "Content-Type", "application/octet-stream")
    return bytes(data)


def _default(headers: Headers, name: str, value: str) -> None:
    if name.lower() not in {each.lower() for each in headers}:
        headers[name] = value
