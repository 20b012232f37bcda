"""Who hears of requests."""

from __future__ import annotations

from typing import Any, Protocol


class RequestListener(Protocol):
    """Whom a session tells of each request that it made; Locust's `request` event is one."""

    def fire(self, **request: Any) -> None:
        """Take one request's measurements, with the names of Locust's `request` event."""
        ...
