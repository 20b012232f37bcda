"""Writing runs to MongoDB: into the spool at once, to the database soon, whatever state that is in."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from swarm_ext.errors import UserError
from swarm_ext.model import Trouble, milliseconds
from swarm_ext.store import DEFAULT_SPOOL, StoreError
from swarm_ext.store.mongo import MongoStore, document_of, encoded
from swarm_ext.store.mongo_client import MongoAddress
from swarm_ext.store.mongo_documents import run_document
from swarm_ext.store.spool import NewRecord, Spool
from swarm_ext.store.spool_courier import Courier
from swarm_ext.store.spool_owner import SpoolOwner, is_alive
from swarm_ext.store.spool_shipper import Account
from swarm_ext.store.spool_shipping import shipper_for

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from datetime import datetime

    from swarm_ext.model import Record, Run
    from swarm_ext.store import RecordT
    from swarm_ext.store.spool import SpooledRun

logger = logging.getLogger(__name__)

READ_SECONDS = 15.0
"""How long reading waits for what was written to arrive."""

_GLANCE_SECONDS = 0.05


def open_spooled(uri: str, *, spool: str, limit_bytes: int, required: bool) -> SpooledStore:
    """Open a database to write runs to it, by way of the file `spool`; raise UserError.

    A database that is down is told of and waited for, unless it is `required`; one that refuses the credentials, or is not
    ours, is a mistake.
    """
    address = MongoAddress.parse(uri)
    failing = _failure_of(address)
    if failing and required:
        raise UserError(f"{failing}; start it, or leave out --store-required to ship what is stored later")
    store = SpooledStore(address, spool, limit_bytes=limit_bytes, failing=failing)
    waiting = store.left_over()
    if failing:
        logger.warning("%s; what is to be stored waits in the spool %s", failing, spool)
    if waiting:
        logger.warning("The spool %s has %d records of earlier runs, which are shipped now", spool, waiting)
    return store


def _failure_of(address: MongoAddress) -> str:
    """Return why a database cannot be used now, empty if it can; raise UserError if it never will be."""
    server = MongoStore(address)
    try:
        server.prepare()
    except StoreError as error:
        return str(error)
    finally:
        server.close()
    return ""


class SpooledStore:
    """A `RunStore` before a MongoDB database. What `put_run` and `write` have returned from is on this machine's disk.

    They never wait for the database, which gets it from a thread of this object's own (`spool_courier`). Everything else
    asks the database, after what was written has arrived there. It is used by one thread at a time; where gevent has
    patched the process, all that asks the database by the same one.
    """

    def __init__(self, address: MongoAddress, spool: str, *, limit_bytes: int, failing: str = "") -> None:
        self._address = address
        self._file = spool
        self._spool = Spool(spool, limit_bytes=limit_bytes)
        self._owner = SpoolOwner(self._spool.path)
        self._server: MongoStore | None = None
        self._failures_before: dict[str, int] = {}
        self._waiting: dict[str, int] = {}
        self._courier = Courier(
            lambda: shipper_for(address, Spool(spool, limit_bytes=limit_bytes), self._owner.name),
            shown=address.shown,
            failing=failing,
        )

    @property
    def uri(self) -> str:
        """The database's URI, its password masked."""
        return self._address.shown

    def left_over(self) -> int:
        """Return how many records wait of runs that nobody writes any more."""
        return sum(
            self._spool.waiting(run) for run in self._runs() if not is_alive(self._spool.path, run.owner)
        )

    def put_run(self, run: Run) -> None:
        """Keep `run`, replacing what was kept under its id. Raise UnstorableRecordError if it cannot ever be stored."""
        document = encoded(f"{self.uri}: run {run.id}", lambda: run_document(run))
        self._spool.put_run(self._address.target, run.id, self._owner.name, bytes(document.raw))
        self._failures_before.setdefault(run.id, self._courier.failures - bool(self._courier.failing))
        self._waiting.pop(run.id, None)

    def write(self, records: Sequence[Record]) -> None:
        """Keep records of any kinds, all or none. A record whose key is there already is stored once."""
        new = []
        for record in records:
            name, document = document_of(self.uri, record)
            moment = milliseconds(record.timestamp)
            new.append(NewRecord(record.run_id, name, record.key, moment, bytes(document.raw)))
        if new:
            self._spool.add(self._address.target, new)

    def finish(self, run_ids: Collection[str], timeout_seconds: float) -> bool:
        """Take note that these runs get no more records, and wait until the database has all of them, at most so long."""
        self._spool.end(self._address.target, run_ids)
        self._courier.hurry()
        deadline = time.monotonic() + timeout_seconds
        while left := [run for run in self._runs() if run.id in run_ids and run.ended]:
            if time.monotonic() > deadline or all(self._account(run.id).disagrees for run in left):
                break
            time.sleep(_GLANCE_SECONDS)
        for run_id in run_ids:
            self._waiting.pop(run_id, None)
        self._waiting.update({run.id: self._spool.waiting(run) for run in left})
        return not left

    def troubles(self, run_id: str) -> list[Trouble]:
        """Return what has gone wrong on the way to the database since a run began, and what has not arrived at its end."""
        account, failures = (
            self._account(run_id),
            self._courier.failures - self._failures_before.get(run_id, 0),
        )
        spool = "" if self._file == DEFAULT_SPOOL else f" --spool {self._file}"
        ship = f"ship it with: swarm-ext runs ship --store {self.uri}{spool}"
        waiting = self._waiting.get(run_id)
        found = (
            (failures, self._courier.last_failure),
            (account.refused, f"records can never be stored: {account.refusal}"),
            (
                account.lost,
                "records are not in the database any more, and left the spool for lack of room: raise --spool-limit",
            ),
            (
                int(account.deleted),
                f"run {run_id} was deleted from {self.uri}, so what the spool had of it was, too",
            ),
            (
                int(account.disagrees),
                f"{self.uri} counts fewer records than it acknowledged; the spool keeps all of them",
            ),
            (waiting or 0, f"records wait in the spool; {ship}"),
            (int(waiting == 0 and not account.disagrees), f"the run's end waits in the spool; {ship}"),
        )
        return [
            Trouble(source="store", count=count, message=message) for count, message in found if count > 0
        ]

    # what asks the database

    def runs(self) -> list[Run]:
        """Return every run in the database, oldest first."""
        return self._arrived().runs()

    def run(self, run_id: str) -> Run:
        """Return one run by its id, an unambiguous beginning of it, or `latest`; raise UnknownRunError."""
        return self._arrived().run(run_id)

    def read(self, run_id: str, kind: type[RecordT]) -> Iterator[RecordT]:
        """Yield a run's records of one kind by ascending timestamp."""
        yield from self._arrived().read(run_id, kind)

    def counts(self, run_id: str) -> dict[str, int]:
        """Return how many records of each kind a run has, by the kind's class name."""
        return self._arrived().counts(run_id)

    def delete(self, run_id: str) -> dict[str, int]:
        """Delete a run with all its records, and what the spool has of it; return the counts deleted."""
        server = self._arrived()
        deleted = server.delete(run_id)
        for run in self._runs():
            if run.id == run_id:
                self._spool.forget(run)
        server.allow_again(run_id)  # nothing is left here that could bring it back against anybody's will
        return deleted

    def prune(self, run_id: str, before: datetime) -> dict[str, int]:
        """Delete a run's records older than a moment, in the database and the spool; return the counts deleted."""
        deleted = self._arrived().prune(run_id, before)
        for run in self._runs():
            if run.id == run_id:
                self._spool.prune(run, milliseconds(before))
        return deleted

    def close(self) -> None:
        """Let go of everything; what has not arrived stays in the spool. Idempotent."""
        self._courier.close()
        self._owner.close()
        self._spool.close()
        if self._server is not None:
            self._server.close()

    def _runs(self) -> list[SpooledRun]:
        return self._spool.runs(self._address.target)

    def _account(self, run_id: str) -> Account:
        shipper = self._courier.shipper
        return Account() if shipper is None else shipper.account(run_id)

    def _arrived(self) -> MongoStore:
        """Return the database when it has all that was written by this object; raise StoreError if that takes too long."""
        self._courier.hurry()
        deadline = time.monotonic() + READ_SECONDS
        while any(run.waits for run in self._runs() if run.owner == self._owner.name):
            if time.monotonic() > deadline:
                raise StoreError(
                    f"{self.uri} does not have yet what was written: {self._courier.failing or 'it is slow'}"
                )
            time.sleep(_GLANCE_SECONDS)
        if self._server is None:
            self._server = MongoStore(self._address)
        return self._server
