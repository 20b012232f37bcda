"""Counts what fails while the load goes on, and logs it once per change rather than once per failure."""

from __future__ import annotations

import logging

from swarm_ext.model import Trouble

logger = logging.getLogger(__name__)


class TroubleCounter:
    """The failures of one source, by its last words."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._count = 0
        self._message = ""
        self._is_failing = False

    def failed(self, message: str) -> None:
        """Count a failure; log it unless the last attempt failed with the same words."""
        if not self._is_failing or message != self._message:
            logger.warning("%s: %s", self._source, message)
        self._count += 1
        self._message = message
        self._is_failing = True

    def succeeded(self) -> None:
        """Note that it works; log that if it had not."""
        if self._is_failing:
            logger.info("%s: works again", self._source)
        self._is_failing = False

    def troubles(self) -> list[Trouble]:
        """Return what failed, if anything did."""
        if not self._count:
            return []
        return [Trouble(source=self._source, count=self._count, message=self._message)]
