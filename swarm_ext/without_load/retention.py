"""Keeps a run without an end from filling the store: what is older than a number of days is deleted."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import gevent

from swarm_ext.store import StoreError
from swarm_ext.troubles import TroubleLog
from swarm_ext.without_load.run_record import COMMAND, is_open_ended

if TYPE_CHECKING:
    from swarm_ext.model import Run, Trouble
    from swarm_ext.store import Store
    from swarm_ext.store.writer import StoreWriter

EVERY_SECONDS = 3600.0

logger = logging.getLogger(__name__)


class Retention:
    """Has `writer` delete records older than `days` of `run` and of earlier runs of its kind, now and every hour.

    A failure ends nothing; it is counted, and tried again the next time.
    """

    def __init__(self, writer: StoreWriter, run: Run, days: float) -> None:
        self._writer = writer
        self._run = run
        self._days = days
        self._log = TroubleLog("deleting what is too old", logger)
        self._greenlet = gevent.spawn(self._keep_on)

    def stop(self) -> None:
        """End. Idempotent."""
        self._greenlet.kill()

    def troubles(self) -> list[Trouble]:
        """Return what failed so far, with counts."""
        trouble = self._log.trouble()
        return [trouble] if trouble else []

    def _keep_on(self) -> None:
        while True:
            before = datetime.now(UTC) - timedelta(days=self._days)
            try:
                deleted = self._writer.ask(partial(prune, run=self._run, before=before))
            except StoreError as error:
                self._log.failed(str(error))
            else:
                self._log.succeeded()
                if deleted:
                    logger.info("%d records older than %g days were deleted", deleted, self._days)
            gevent.sleep(EVERY_SECONDS)


def prune(store: Store, *, run: Run, before: datetime) -> int:
    """Delete the records older than `before` of `run` and of earlier open-ended runs of its command; return how many."""
    alike = [
        each.id
        for each in store.runs()
        if is_open_ended(each) and each.options[COMMAND] == run.options[COMMAND]
    ]
    return sum(sum(store.prune(run_id, before).values()) for run_id in {*alike, run.id})
