"""Something that fails while the load runs: counted always, told once a change, never raised."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swarm_ext.model import Trouble

if TYPE_CHECKING:
    import logging

SUCCESSES_UNTIL_WELL = 3
"""So many in a row before something counts as working again: what fails every other time is told once, not always."""


class TroubleLog:
    """Counts the failures of `source`; logs one line when they begin and one when they have ended.

    `source` is what a person calls it, as in "cAdvisor of node3".
    """

    def __init__(self, source: str, logger: logging.Logger) -> None:
        self.source = source
        self._logger = logger
        self._count = 0
        self._count_before = 0
        self._successes = 0
        self._failing = False
        self._message = ""

    @property
    def failing(self) -> bool:
        """Whether it failed lately: since then it has not succeeded often enough in a row."""
        return self._failing

    def failed(self, message: str) -> None:
        """Count one failure; log `message` if all was well until now."""
        self._count += 1
        self._successes = 0
        self._message = message
        if not self._failing:
            self._failing = True
            self._count_before = self._count - 1
            self._logger.warning("%s: %s", self.source, message)

    def succeeded(self) -> None:
        """Note one success; log the end of the trouble when they are enough."""
        if not self._failing:
            return
        self._successes += 1
        if self._successes >= SUCCESSES_UNTIL_WELL:
            self._failing = False
            failures = self._count - self._count_before
            self._logger.warning("%s: works again; failures meanwhile: %d", self.source, failures)

    def trouble(self) -> Trouble | None:
        """Return all failures so far with the last one's words; None if there was none."""
        return Trouble(source=self.source, count=self._count, message=self._message) if self._count else None
