"""Keeps a run without an end from filling the store: what is older than a number of days is deleted."""

from __future__ import annotations

import logging
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import gevent

from swarm_ext.errors import UserError
from swarm_ext.store import StoreError, open_store
from swarm_ext.troubles import TroubleLog
from swarm_ext.without_load.run_record import COMMAND, is_open_ended

if TYPE_CHECKING:
    from swarm_ext.model import Run, Trouble

EVERY_SECONDS = 3600.0

logger = logging.getLogger(__name__)


class Retention:
    """Deletes records older than `days` of `run` and of earlier runs of its kind, at the start and every hour.

    It uses a connection of its own, in a native thread. A failure ends nothing; it is counted, and tried again later.
    """

    def __init__(self, uri: str, run: Run, days: float) -> None:
        self._uri = uri
        self._run = run
        self._days = days
        self._log = TroubleLog("deleting what is too old", logger)
        self._greenlet: gevent.Greenlet | None = None

    def start(self) -> None:
        """Begin, in the background."""
        self._greenlet = gevent.spawn(self._keep_on)

    def stop(self) -> None:
        """End. Idempotent."""
        if self._greenlet is not None:
            self._greenlet.kill()

    def troubles(self) -> list[Trouble]:
        """Return what failed so far, with counts."""
        trouble = self._log.trouble()
        return [trouble] if trouble else []

    def _keep_on(self) -> None:
        while True:
            before = datetime.now(UTC) - timedelta(days=self._days)
            try:
                deleted = gevent.get_hub().threadpool.apply(prune, (self._uri, self._run, before))
            except (StoreError, UserError) as error:
                self._log.failed(str(error))
            else:
                self._log.succeeded()
                if deleted:
                    logger.info("%d records older than %g days were deleted", deleted, self._days)
            gevent.sleep(EVERY_SECONDS)


def prune(uri: str, run: Run, before: datetime) -> int:
    """Delete the records older than `before` of `run` and of earlier open-ended runs of its command; return how many.

    Raise StoreError or UserError.
    """
    with closing(open_store(uri)) as store:
        ids = [each.id for each in store.runs() if is_open_ended(each) and _same_command(each, run)]
        return sum(sum(store.prune(run_id, before).values()) for run_id in ids)


def _same_command(one: Run, other: Run) -> bool:
    return bool(one.options[COMMAND] == other.options[COMMAND])
