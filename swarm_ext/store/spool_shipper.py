"""Shipping: moving what a spool holds to its database, so that all of it is there once whatever breaks on the way.

No step is ever harmful to repeat: records have natural keys, and a key that is there already counts as stored. So after
anything unclear more is sent than would be needed: after a new connection the last minute, for the server may have lost
what it acknowledged; all of a run when, at its end, the server counts fewer than were sent, or does not know it any more.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING

from swarm_ext.model import milliseconds
from swarm_ext.store import StoreError
from swarm_ext.store.mongo_documents import COLLECTIONS
from swarm_ext.store.spool_owner import is_alive

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from swarm_ext.store.mongo import MongoStore
    from swarm_ext.store.spool import Spool, SpooledRecord, SpooledRun

BATCH_RECORDS = 100
"""In a process that makes load; others may ship more at once."""

BATCH_BYTES = 1_000_000

SENT_AGAIN_SECONDS = 60.0
"""How much of what was acknowledged before a connection broke is sent again over the next one."""

TRIES_ALONE = 5
"""How often one record is tried alone, while the server takes others, before it counts as refused."""

ROUNDS = 3
"""How often a run is sent again as a whole because the counts disagree, before it is left in the spool."""


@dataclass
class Account:
    """What has become of one run: how many records were acknowledged, refused for good (and why), and are lost.

    `lost`: the server does not have them any more, and the spool had no room to keep them. `deleted`: somebody deleted
    the run from the database, so what the spool had of it was thrown away. `disagrees`: the server counts fewer than
    were sent, again and again; the run stays in the spool.
    """

    shipped: int = 0
    refused: int = 0
    refusal: str = ""
    lost: int = 0
    deleted: bool = False
    disagrees: bool = False
    rounds: int = 0


@dataclass
class _Suspect:
    """A batch that failed although the server takes others: it is tried in ever smaller parts."""

    run: int
    after: int
    until: int
    size: int
    tries: int = 0


@dataclass
class Shipper:
    """Ships what a spool holds for one database. `connections` counts the connections made so far.

    `owner` writes its own runs, which are shipped first; runs of others are shipped when those do not live any more.
    """

    spool: Spool
    store: MongoStore
    target: str
    owner: str
    connections: Callable[[], int]
    batch_records: int = BATCH_RECORDS
    accounts: dict[str, Account] = field(default_factory=dict)
    _prepared_for: int = 0
    _sent: deque[tuple[float, int, int]] = field(default_factory=deque)
    _suspect: _Suspect | None = None

    def step(self) -> bool:
        """Do the next thing that there is to do; return whether there was one. Raise StoreError or UserError."""
        self._greet()
        return any(self._advance(run) for run in self._runs())

    def account(self, run_id: str) -> Account:
        """Return what has become of a run so far."""
        return self.accounts.setdefault(run_id, Account())

    def _runs(self) -> list[SpooledRun]:
        runs = [run for run in self.spool.runs(self.target) if not self.account(run.id).disagrees]
        return sorted(runs, key=lambda run: run.owner != self.owner)

    def _greet(self) -> None:
        """On a new connection: see to the indexes, and set the marks back as far as the server may have forgotten."""
        if self._prepared_for == self.connections() and self._prepared_for:
            return
        before = self._prepared_for
        if before:
            self.store.renew()
        else:
            self.store.prepare()
        for run in self.spool.runs(self.target):
            # a server that has lost a run has lost all its records
            if run.stored_version and not self.store.has_run(run.id):
                self.spool.send_again(run.number, after=0)
        if before:
            self._send_last_minute_again()
        self._prepared_for = self.connections()

    def _send_last_minute_again(self) -> None:
        if not self._sent:
            return
        since = self._sent[-1][0] - SENT_AGAIN_SECONDS
        marks: dict[int, int] = {}
        for instant, run_number, after in self._sent:
            if instant >= since:
                marks[run_number] = min(after, marks.get(run_number, after))
        for run_number, after in marks.items():
            self.spool.send_again(run_number, after=after)

    def _advance(self, run: SpooledRun) -> bool:
        mine = run.owner == self.owner
        if not mine and not run.ended and is_alive(self.spool.path, run.owner):
            return False
        if run.version > run.stored_version:
            return self._send_run(run)
        if run.last > run.acknowledged:
            return self._send_records(run)
        if run.ended or not mine:
            return self._conclude(run)
        return False

    def _send_run(self, run: SpooledRun) -> bool:
        from bson.raw_bson import RawBSONDocument  # noqa: PLC0415  # an extra

        if self._thrown_away(run):
            return True
        document = self.spool.document(run)
        if document is None:
            return False
        self.store.put_run_document(RawBSONDocument(document))
        self.spool.run_stored(run)
        return True

    def _thrown_away(self, run: SpooledRun) -> bool:
        """Throw away what the spool has of a run that somebody deleted from the database."""
        if not self.store.was_deleted(run.id):
            return False
        self.account(run.id).deleted = True
        self.store.delete_what_came_after(run.id)
        self.spool.forget(run)
        return True

    # records

    def _send_records(self, run: SpooledRun) -> bool:
        until, size = self._span(run)
        batch = self.spool.batch(run, until=until, records=size, total_bytes=BATCH_BYTES)
        if not batch:  # somebody else has shipped it meanwhile, or it was pruned: the mark may pass
            self.spool.acknowledge(run, [_end_of(run, until)], [])
            return True
        account = self.account(run.id)
        try:
            refused, reason = self._insert(batch)
        except StoreError:
            if not self._is_to_blame(run, batch):
                raise
            refused, reason = batch, "the server fails on it, and takes others"
        self.spool.acknowledge(run, batch, refused)
        self._remember(run)
        self._absolve(run, batch)
        account.shipped += len(batch) - len(refused)
        account.refused += len(refused)
        account.refusal = reason or account.refusal
        return True

    def _span(self, run: SpooledRun) -> tuple[int | None, int]:
        """Return how far the next batch may go: not into a suspect, and through that only in small parts."""
        suspect = self._suspect
        if suspect is None or suspect.run != run.number or run.acknowledged > suspect.after:
            return None, self.batch_records
        return (
            (suspect.until, suspect.size)
            if run.acknowledged == suspect.after
            else (suspect.after, self.batch_records)
        )

    def _insert(self, batch: Sequence[SpooledRecord]) -> tuple[list[SpooledRecord], str]:
        """Insert a batch; return what of it is refused for good, and why."""
        from bson.raw_bson import RawBSONDocument  # noqa: PLC0415  # an extra

        refused, reason = [], ""
        for name, group in groupby(sorted(batch, key=attrgetter("collection")), attrgetter("collection")):
            records = list(group)
            for refusal in self.store.insert(name, [RawBSONDocument(record.document) for record in records]):
                refused.append(records[refusal.index])
                reason = refusal.reason
        return refused, reason

    def _is_to_blame(self, run: SpooledRun, batch: Sequence[SpooledRecord]) -> bool:
        """Note that a batch has failed; return whether it is a single record that has done so often enough.

        It is only the batch's doing if the server takes writes otherwise: a full disk is no record's fault.
        """
        try:
            self.store.check_writable()
        except StoreError:
            return False
        suspect = self._suspect
        if suspect is None or suspect.run != run.number or suspect.after != run.acknowledged:
            suspect = self._suspect = _Suspect(run.number, run.acknowledged, batch[-1].number, len(batch))
        if len(batch) == 1:
            suspect.tries += 1
        suspect.size = max(1, len(batch) // 2)
        return suspect.tries >= TRIES_ALONE

    def _absolve(self, run: SpooledRun, batch: Sequence[SpooledRecord]) -> None:
        suspect = self._suspect
        if suspect is not None and suspect.run == run.number and suspect.after == run.acknowledged:
            suspect.after, suspect.tries = batch[-1].number, 0
            if suspect.after >= suspect.until:
                self._suspect = None

    def _remember(self, run: SpooledRun) -> None:
        now = time.monotonic()
        self._sent.append((now, run.number, run.acknowledged))
        while self._sent[0][0] < now - 2 * SENT_AGAIN_SECONDS:
            self._sent.popleft()

    # the end of a run

    def _conclude(self, run: SpooledRun) -> bool:
        """Forget a run whose records the server counts in full; else send it again, all of it, a few times."""
        if self._thrown_away(run):
            return True
        account = self.account(run.id)
        missing = self._missing(run)
        if sum(missing.values()) and account.rounds >= ROUNDS:
            account.disagrees = True
            return False
        released = self.spool.released(run)
        unrecoverable = account.rounds and all(
            count <= released.get(name, 0) for name, count in missing.items()
        )
        if not sum(missing.values()) or unrecoverable:
            account.lost += sum(missing.values())
            self.spool.forget(run)
            return True
        account.rounds += 1
        self.spool.send_again(run.number, after=0)
        return True

    def _missing(self, run: SpooledRun) -> dict[str, int]:
        """Return how many records fewer than were acknowledged the server counts, by collection.

        If old ones were deleted there on purpose, they leave the spool, too, and of those that left before nothing is known.
        """
        pruned = self.store.pruned_before(run.id)
        if pruned is not None:
            self.spool.prune(run, milliseconds(pruned))
        kept, released = self.spool.kept(run), {} if pruned is not None else self.spool.released(run)
        there = self.store.counts(run.id)
        return {
            collection.name: max(
                0, kept.get(collection.name, 0) + released.get(collection.name, 0) - there[kind.__name__]
            )
            for kind, collection in COLLECTIONS.items()
        }


def _end_of(run: SpooledRun, until: int | None) -> SpooledRecord:
    from swarm_ext.store.spool import SpooledRecord  # noqa: PLC0415  # only for this rare case

    return SpooledRecord(until or run.last, "", b"")
