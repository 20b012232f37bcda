"""The shared store: a MongoDB database. For reading it as it is; a run is written through the spool (`spool_store`).

It needs nothing of the server that not every one has: no transactions, no time-series collections (their documents have
no unique key, so writing twice would store twice), no bulk upserts, no aggregation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from swarm_ext.errors import UserError
from swarm_ext.store import RecordT, StoreError, UnknownRunError, UnstorableRecordError
from swarm_ext.store.mongo_client import MongoAddress
from swarm_ext.store.mongo_database import MongoDatabase
from swarm_ext.store.mongo_documents import (
    BY_START,
    BY_TIME,
    COLLECTIONS,
    RUNS,
    date_and_rest,
    run_document,
    run_of_document,
)
from swarm_ext.store.schema import time_text
from swarm_ext.store.unknown_run import unknown_run

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from bson.raw_bson import RawBSONDocument
    from pymongo.collection import Collection as DriverCollection

    from swarm_ext.model import Record, Run

DUPLICATE_KEY = 11000
REFUSALS = frozenset({2, 9, 14, 22, 52, 56, 57, 121, 10334, 17280})
"""Codes that tell of a document which the server can never take: bad value, name, type, size, or against its rules."""

_BATCH_DOCUMENTS = 1_000
_READ_DOCUMENTS = 200


@dataclass(frozen=True)
class Refusal:
    """A document that the server can never take: its place in the batch, and why."""

    index: int
    reason: str


def open_mongo(uri: str, *, must_exist: bool) -> MongoStore:
    """Open the database that a URI names, and make its indexes unless it must exist; raise UserError when it cannot be."""
    address = MongoAddress.parse(uri)
    store = MongoStore(address)
    try:
        store.prepare(must_exist=must_exist)
    except StoreError as error:
        store.close()
        raise UserError(f"{error}; start the server, or correct the URI") from error
    except BaseException:
        store.close()
        raise
    return store


class MongoStore(MongoDatabase):
    """A `Store` in one MongoDB database. What a method has returned from is in the journals of a majority.

    It is connected when it is first asked. It is used by one thread; where gevent has patched the process, in the thread that
    made it.
    """

    # writing

    def put_run(self, run: Run) -> None:
        """Store `run`, replacing what was stored under its id. Raise UnstorableRecordError if it cannot ever be."""
        self.put_run_document(encoded(f"{self.uri}: run {run.id}", lambda: run_document(run)))
        self.allow_again(run.id)

    def put_run_document(self, document: RawBSONDocument) -> None:
        """Store a run by its document, also one that was deleted."""
        with self._asking("written"):
            self._database[RUNS].replace_one({"_id": document["_id"]}, document, upsert=True)

    def write(self, records: Sequence[Record]) -> None:
        """Store records of any kinds, each kind in batches. A record whose key is there already is stored once."""
        groups: dict[str, list[RawBSONDocument]] = {}
        for record in records:
            name, document = document_of(self.uri, record)
            groups.setdefault(name, []).append(document)
        missing = {record.run_id for record in records} - self._known({record.run_id for record in records})
        if missing:
            raise UnstorableRecordError(
                f"{self.uri}: {len(records)} records cannot be stored: their run is not in the store; put the run first"
            )
        refusals = []
        for name, documents in groups.items():
            for first in range(0, len(documents), _BATCH_DOCUMENTS):
                refusals += self.insert(name, documents[first : first + _BATCH_DOCUMENTS])
        if refusals:
            raise UnstorableRecordError(
                f"{self.uri}: {len(refusals)} of {len(records)} records cannot be stored: {refusals[0].reason}"
            )

    def insert(self, name: str, documents: Sequence[RawBSONDocument]) -> list[Refusal]:
        """Insert documents into a collection; those that are there already stay as they are. Return what is refused for good.

        All others are stored, or StoreError is raised, and to insert them again is safe.
        """
        from pymongo.errors import BulkWriteError  # noqa: PLC0415  # an extra

        with self._asking("written"):
            try:
                self._database[name].insert_many(documents, ordered=False)
            except BulkWriteError as error:
                details: Mapping[str, Any] = error.details
            else:
                return []
        for concern in details.get("writeConcernErrors", ()):
            raise StoreError(f"{self.uri} could not be written: {concern.get('errmsg')}")
        refusals = []
        for each in details.get("writeErrors", ()):
            if each["code"] == DUPLICATE_KEY and set(each.get("keyPattern", {"_id": 1})) == {"_id"}:
                continue
            if each["code"] not in REFUSALS | {DUPLICATE_KEY}:
                raise StoreError(f"{self.uri} could not be written: {' '.join(each['errmsg'].split())}")
            refusals.append(Refusal(each["index"], " ".join(each["errmsg"].split())))
        return refusals

    def delete(self, run_id: str) -> dict[str, int]:
        """Delete a run: note that it is deleted, then its records, and itself last; return the counts deleted."""
        if not self._known({run_id}):
            raise self._unknown(run_id, {})
        self.mark_deleted(run_id)
        with self._asking("written"):
            deleted = self._delete_records({"run_id": run_id})
            self._database[RUNS].delete_one({"_id": run_id})
        return deleted

    def prune(self, run_id: str, before: datetime) -> dict[str, int]:
        """Delete a run's records older than a moment; return the counts deleted."""
        moment, _ = date_and_rest(before)
        self.mark_pruned(run_id, moment)
        with self._asking("written"):
            return self._delete_records({"run_id": run_id, "timestamp": {"$lt": moment}})

    def delete_what_came_after(self, run_id: str) -> None:
        """Delete what was stored of a run after somebody had deleted it."""
        with self._asking("written"):
            self._delete_records({"run_id": run_id})
            self._database[RUNS].delete_one({"_id": run_id})

    def _delete_records(self, which: Mapping[str, Any]) -> dict[str, int]:
        return {
            kind.__name__: self._database[collection.name].delete_many(which).deleted_count
            for kind, collection in COLLECTIONS.items()
        }

    # reading

    def runs(self) -> list[Run]:
        """Return every run, oldest first."""
        return self._runs({}, BY_START)

    def run(self, run_id: str) -> Run:
        """Return one run by its id, an unambiguous beginning of it, or `latest`; raise UnknownRunError."""
        latest_first = [(name, -direction) for name, direction in BY_START]
        if run_id == "latest":
            found = self._runs({}, latest_first, limit=1)
        else:
            found = self._runs({"_id": run_id}, BY_START)
        if not found and run_id:
            found = self._runs(_beginning_with(run_id), BY_START, limit=2)
        if len(found) != 1:
            raise self._unknown(run_id, _beginning_with(run_id) if found else {}, several=bool(found))
        return found[0]

    def read(self, run_id: str, kind: type[RecordT]) -> Iterator[RecordT]:
        """Yield a run's records of one kind by ascending timestamp, a batch at a time from the server."""
        collection = COLLECTIONS[kind]
        for document in self._find(collection.name, {"run_id": run_id}, BY_TIME):
            try:
                record: RecordT = collection.record(document)
            except (ValueError, TypeError, KeyError) as error:
                raise StoreError(f"{self.uri} could not be read: {document['_id']}: {error}") from error
            yield record

    def counts(self, run_id: str) -> dict[str, int]:
        """Return how many records of each kind a run has, by the kind's class name."""
        with self._asking("read"):
            return {
                kind.__name__: self._database[collection.name].count_documents({"run_id": run_id})
                for kind, collection in COLLECTIONS.items()
            }

    def has_run(self, run_id: str) -> bool:
        """Return whether there is a run of this id."""
        return bool(self._known({run_id}))

    def _known(self, run_ids: Iterable[str]) -> set[str]:
        with self._asking("read"):
            return {
                each["_id"] for each in self._database[RUNS].find({"_id": {"$in": list(run_ids)}}, ["_id"])
            }

    def _runs(self, which: Mapping[str, Any], order: Sequence[tuple[str, int]], limit: int = 0) -> list[Run]:
        try:
            return [run_of_document(document) for document in self._find(RUNS, which, order, limit)]
        except (ValueError, KeyError) as error:
            raise StoreError(f"{self.uri} could not be read: {error}") from error

    def _find(
        self, name: str, which: Mapping[str, Any], order: Sequence[tuple[str, int]], limit: int = 0
    ) -> Iterator[dict[str, Any]]:
        with self._asking("read"):
            collection: DriverCollection[dict[str, Any]] = self._database[name]
            with collection.find(which, sort=order, limit=limit, batch_size=_READ_DOCUMENTS) as cursor:
                yield from cursor

    def _unknown(self, run_id: str, which: Mapping[str, Any], *, several: bool = False) -> UnknownRunError:
        latest_first = [(name, -direction) for name, direction in BY_START]
        runs = [
            (each["_id"], time_text(each["start"]), each["exit_status"])
            for each in self._find(RUNS, which, latest_first)
        ]
        return unknown_run(run_id, self.uri, runs, several=several)


def encoded(what: str, make: Any) -> RawBSONDocument:
    """Return the document that `make` makes as the bytes that go over the wire; raise UnstorableRecordError."""
    import bson  # noqa: PLC0415  # an extra
    from bson.errors import BSONError  # noqa: PLC0415
    from bson.raw_bson import RawBSONDocument  # noqa: PLC0415

    try:
        return RawBSONDocument(bson.encode(make()))
    except (BSONError, ValueError, TypeError, OverflowError, AttributeError) as error:
        raise UnstorableRecordError(f"{what} cannot be stored: {' '.join(str(error).split())}") from error


def document_of(uri: str, record: Record) -> tuple[str, RawBSONDocument]:
    """Return the collection that a record belongs to, and its document; raise UnstorableRecordError."""
    collection = COLLECTIONS.get(type(record))
    if collection is None:
        raise UnstorableRecordError(
            f"{uri}: {type(record).__name__} is not a kind of record that a store holds"
        )
    return collection.name, encoded(f"{uri}: a record", lambda: collection.document(record))


def _beginning_with(prefix: str) -> dict[str, Any]:
    return {"_id": {"$gte": prefix, "$lt": prefix + "\U0010ffff"}} if prefix else {}
