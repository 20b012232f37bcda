"""What a user class says of its sessions: checked once, before any arrival, and told by the attribute's name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from swarm_ext.client.request import header_line

if TYPE_CHECKING:
    from locust import FastHttpUser

_ATTRIBUTES = {
    "network_timeout": "network_timeout",
    "connection_timeout": "connection_timeout",
    "max_redirects": "max_redirects",
    "max_retries": "max_retries",
    "concurrency": "concurrency",
    "insecure": "insecure",
    "ssl_context_factory": "ssl_context_factory",
    "default_headers": "headers",
    "proxy_host": "proxy_host",
    "proxy_port": "proxy_port",
}
"""FastHttpUser's attributes that shape a session, and what FastHttpSession calls them."""

_TIME_LIMITS = ("network_timeout", "connection_timeout")
_COUNTS = {"max_redirects": 0, "max_retries": 0, "concurrency": 1}
"""Numbers of things, and how many there are at least."""


def session_settings(user: FastHttpUser | type[FastHttpUser]) -> dict[str, Any]:
    """Return what a user, or its class, says of its sessions, as FastHttpSession calls it.

    What is a property is each user's own: its class says nothing of it.
    """
    said = {theirs: getattr(user, ours) for ours, theirs in _ATTRIBUTES.items()}
    return {name: value for name, value in said.items() if not isinstance(value, property | cached_property)}


def check(settings: Mapping[str, Any]) -> None:
    """Raise ValueError for a setting that no request could be made with; they are named as for FastHttpSession.

    Those that are not known yet may be left out.
    """
    for name in _TIME_LIMITS:
        limit = settings.get(name)
        if limit is not None and not _is_time(limit):
            raise ValueError(f"{name} is {limit!r}: give seconds above 0, or None for no limit")
    for name, least in _COUNTS.items():
        count = settings.get(name, least)
        if not isinstance(count, int) or count < least:
            raise ValueError(f"{name} is {count!r}: give a whole number of {least} or more")
    _check_headers(settings.get("headers"))
    if settings.keys() >= {"proxy_host", "proxy_port"}:
        _check_proxy(settings["proxy_host"], settings["proxy_port"])


def _is_time(seconds: Any) -> bool:
    return isinstance(seconds, int | float) and math.isfinite(seconds) and seconds > 0


def _check_proxy(host: Any, port: Any) -> None:
    if bool(host) != bool(port):
        raise ValueError(f"proxy_host is {host!r} and proxy_port {port!r}: give both, or neither")


def _check_headers(headers: Any) -> None:
    if headers is None:
        return
    if not isinstance(headers, Mapping):
        raise ValueError(  # noqa: TRY004 - as for the other settings
            f"default_headers is {headers!r}: give a mapping of names to values"
        )
    for name, value in headers.items():
        try:
            header_line(name, value)
        except ValueError as error:
            raise ValueError(f"default_headers: {error}") from None
