"""What is said once of requests that the lean client does not make itself."""

from __future__ import annotations

import logging

logger = logging.getLogger(__name__)
_said: set[str] = set()

OVER_TLS = "over TLS"
BY_PROXY = "through a proxy"
IN_PIECES = "in pieces (stream, files, data from a file or an iterator)"


def made_by_locust(reason: str) -> None:
    """Say which requests are left to Locust's client, once in a process."""
    if reason not in _said:
        _said.add(reason)
        logger.info("Requests %s are made by Locust's FastHttpSession, which sends fewer per second", reason)
