"""Writing to a store beside the load: nothing that listens to an event ever waits for a disk or sees it fail.

Records wait in memory until a greenlet takes them, in batches, to a native thread of its own (gevent's hub pool resolves
names, too). A store that fails is tried again until it works; the records' natural keys make trying again harmless.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

import gevent
from gevent.event import Event
from gevent.threadpool import ThreadPool

from swarm_ext.model import Trouble
from swarm_ext.store import StoreError, UnstorableRecordError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from swarm_ext.model import Record, Run
    from swarm_ext.store import RunStore

AnswerT = TypeVar("AnswerT")

logger = logging.getLogger(__name__)

_BATCH_RECORDS = 10_000
_LONGEST_PAUSE_SECONDS = 5.0
_STUCK_SECONDS = 10.0


class StoreWriter:
    """Takes records from greenlets at once and stores them soon, off the event loop.

    `put` and `put_run` never block and never raise. Every `batch_seconds` what waits is written. While the store fails,
    up to `max_pending` records wait (200,000 are about 150 MB); those that come after are *lost* and counted: what was
    taken is kept, so that a failure leaves one gap with a known beginning. The first failure and the recovery are logged, and
    told to `on_state` (which must return soon): with the trouble when writing begins to fail, with None when it works again.

    The store is this object's alone until `close` returns; it is closed by whoever opened it. Everything here is called
    from the thread whose event loop it was made in.
    """

    def __init__(
        self,
        store: RunStore,
        *,
        on_state: Callable[[Trouble | None], None] | None = None,
        batch_seconds: float = 0.5,
        max_pending: int = 200_000,
    ) -> None:
        self._store = store
        self._on_state = on_state
        self._batch_seconds = batch_seconds
        self._max_pending = max_pending
        self._records: deque[Record] = deque()
        self._runs: dict[str, Run] = {}
        self._run_ids: set[str] = set()
        self._failing_since: float | None = None
        self._failures = 0
        self._last_failure = ""
        self._refused_runs = 0
        self._refused_records = 0
        self._last_refusal = ""
        self._overflowed = 0
        self._overflowing = False
        self._written = 0
        self._closing = False
        self._closed_well = False
        self._hurry = Event()
        self._idle = Event()
        self._idle.set()
        self._pool = ThreadPool(1)
        self._greenlet = gevent.spawn(self._work)

    @property
    def written(self) -> int:
        """How many records the store has acknowledged."""
        return self._written

    @property
    def pending(self) -> int:
        """How many records wait to be written."""
        return len(self._records)

    @property
    def lost(self) -> int:
        """How many records will never be stored: too many waited, or the store can never take them."""
        return self._overflowed + self._refused_records

    def put(self, records: Sequence[Record]) -> None:
        """Take records to be written soon; when too many wait, or after `close`, they are lost and counted."""
        room = 0 if self._closing else max(0, self._max_pending - len(self._records))
        self._records.extend(records[:room])
        if len(records) > room:
            self._count_overflow(len(records) - room)
        if self._records:
            self._idle.clear()

    def put_run(self, run: Run) -> None:
        """Take a run to be written soon, before any records; of several with one id only the latest is."""
        if self._closing:
            logger.error("store %s: run %s came after the end and is not stored", self._store.uri, run.id)
            return
        self._runs[run.id] = run
        self._run_ids.add(run.id)
        self._idle.clear()

    def troubles(self) -> list[Trouble]:
        """Return what has gone wrong so far; empty when nothing has."""
        found = (
            (self._failures, self._last_failure),
            (self._refused_runs + self._refused_records, f"can never be stored: {self._last_refusal}"),
            (
                self._overflowed,
                f"records lost: more than {self._max_pending} were waiting, or the writer had ended",
            ),
        )
        own = [Trouble(source="store", count=count, message=message) for count, message in found if count]
        return own + [trouble for run_id in sorted(self._run_ids) for trouble in self._store.troubles(run_id)]

    def flush(self, timeout_seconds: float) -> bool:
        """Write what waits, at once; return whether nothing waits any more, after at most so long."""
        self._hurry.set()
        return bool(self._idle.wait(timeout_seconds))

    def ask(self, question: Callable[[RunStore], AnswerT]) -> AnswerT:
        """Return `question(store)`, asked between two batches, in the thread that writes; raise what it raises.

        Only the greenlet that asks waits; what is put in the meantime is written afterwards. Not to be called after `close`.
        """
        answers, error = self._pool.apply(_ask, (question, self._store))
        if error is not None:
            raise error
        answer: AnswerT = answers[0]
        return answer

    def close(self, timeout_seconds: float) -> bool:
        """Flush, have the store finish the runs, and end; return whether everything is in its place. Idempotent.

        What could not be written by then is lost. It may take `timeout_seconds`, and then as long as the store needs to
        end what it is in the middle of: seconds, and after ten of them it is left to itself.
        """
        if self._closing:
            return self._closed_well
        deadline = time.monotonic() + timeout_seconds
        flushed = self.flush(timeout_seconds)
        self._closing = True
        self._hurry.set()
        with gevent.Timeout(max(0.0, deadline - time.monotonic()) + _STUCK_SECONDS, exception=False):
            self._greenlet.join()
            left = max(0.0, deadline - time.monotonic())
            self._closed_well = self._pool.apply(_finish, (self._store, self._run_ids, left)) and flushed
            self._pool.kill()
        self._greenlet.kill(
            block=False
        )  # it is alive only if the store hangs, and must not wake up to an empty queue
        if self._records or self._runs:
            logger.error("store %s: %d records are lost at the end", self._store.uri, len(self._records))
            self._overflowed += len(self._records)
            self._records.clear()
            self._runs.clear()
        return self._closed_well

    def _work(self) -> None:
        pause = self._batch_seconds
        while not self._closing:
            self._hurry.wait(pause)
            self._hurry.clear()
            works = self._write_what_waits()
            pause = self._batch_seconds if works else min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def _write_what_waits(self) -> bool:
        while (self._records or self._runs) and not self._closing:
            runs = list(self._runs.values())
            # They stay in the queue, where they count as pending, until the store has them; others only append to it.
            batch = list(islice(self._records, _BATCH_RECORDS))
            outcome: _Outcome = self._pool.apply(_store_all, (self._store, runs, batch))
            self._settle(runs, outcome)
            if outcome.failure:
                return False
        return True

    def _settle(self, runs: Sequence[Run], outcome: _Outcome) -> None:
        for run in runs[: outcome.runs]:
            if self._runs.get(run.id) is run:
                del self._runs[run.id]
        for _ in range(outcome.records):
            self._records.popleft()
        self._written += outcome.records - outcome.refused_records
        if not self._records and not self._runs:
            self._idle.set()
        if outcome.refusal:
            if not self._last_refusal:
                logger.error("%s (further ones are only counted)", outcome.refusal)
            self._refused_runs += outcome.refused_runs
            self._refused_records += outcome.refused_records
            self._last_refusal = outcome.refusal
        if outcome.failure:
            self._failures += 1
            self._last_failure = outcome.failure
        if bool(outcome.failure) != (self._failing_since is not None):
            self._change_state(outcome.failure)

    def _change_state(self, failure: str) -> None:
        if self._failing_since is None:
            self._failing_since = time.monotonic()
            logger.error("%s; it is tried again, with %d records waiting", failure, len(self._records))
        else:
            seconds = time.monotonic() - self._failing_since
            self._failing_since = None
            self._overflowing = False
            logger.warning(
                "%s can be written again, after %.0f s; %d records lost", self._store.uri, seconds, self.lost
            )
        if self._on_state is not None:
            try:
                self._on_state(
                    Trouble(source="store", count=self._failures, message=failure) if failure else None
                )
            except Exception:
                logger.exception("a listener to the state of the store failed")

    def _count_overflow(self, count: int) -> None:
        if not self._overflowing:
            self._overflowing = True
            logger.error(
                "%s: %d records wait, and no more can; they are lost", self._store.uri, len(self._records)
            )
        self._overflowed += count


@dataclass
class _Outcome:
    """What became of a batch: of its runs and records, how many from the beginning need no second try."""

    runs: int = 0
    records: int = 0
    refused_runs: int = 0
    refused_records: int = 0
    refusal: str = ""
    failure: str = ""


def _store_all(store: RunStore, runs: Sequence[Run], records: Sequence[Record]) -> _Outcome:
    """Store a batch, in the native thread, where nothing may be logged and nothing may be raised.

    A record that can never be stored must not keep its neighbours out: the batch is halved until it stands alone.
    """
    outcome = _Outcome()
    try:
        for run in runs:
            try:
                store.put_run(run)
            except UnstorableRecordError as error:
                outcome.refused_runs += 1
                outcome.refusal = str(error)
            outcome.runs += 1
        parts = [records] if records else []
        while parts:
            part = parts.pop()
            try:
                store.write(part)
            except UnstorableRecordError as error:
                if len(part) > 1:
                    middle = len(part) // 2
                    parts += [part[middle:], part[:middle]]
                    continue
                outcome.refused_records += 1
                outcome.refusal = str(error)
            outcome.records += len(part)
    except StoreError as error:
        outcome.failure = str(error)
    except Exception as error:  # noqa: BLE001  # whatever it is, the load goes on
        outcome.failure = f"{store.uri} failed unexpectedly: {type(error).__name__}: {error}"
    return outcome


def _ask(question: Callable[[RunStore], AnswerT], store: RunStore) -> tuple[list[AnswerT], Exception | None]:
    """Return what a question gives, or what it raises: of whatever a native thread raises gevent prints a traceback."""
    try:
        return [question(store)], None
    except Exception as error:  # noqa: BLE001  # it is raised again where it was asked
        return [], error


def _finish(store: RunStore, run_ids: Collection[str], timeout_seconds: float) -> bool:
    """Have the store finish runs, in the native thread, where nothing may be raised."""
    try:
        return store.finish(run_ids, timeout_seconds)
    except Exception:  # noqa: BLE001  # whatever it is, the run has ended; what was written is tried again by the next one
        return False
