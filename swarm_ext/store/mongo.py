"""The shared store: a MongoDB database. For reading it as it is; a run is written through the spool (`spool_store`).

It needs nothing of the server that not every one has: no transactions, no time-series collections (their documents have
no unique key, so writing twice would store twice), no bulk upserts, no aggregation.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from swarm_ext.errors import UserError
from swarm_ext.store import RecordT, StoreError, UnknownRunError, UnstorableRecordError
from swarm_ext.store.mongo_client import MongoAddress, refuses_credentials
from swarm_ext.store.mongo_documents import (
    BY_START,
    BY_TIME,
    COLLECTIONS,
    RUNS,
    SCHEMA_VERSION,
    date_and_rest,
    run_document,
    run_of_document,
)
from swarm_ext.store.schema import time_text
from swarm_ext.store.unknown_run import unknown_run

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from bson.raw_bson import RawBSONDocument
    from pymongo import MongoClient
    from pymongo.collection import Collection as DriverCollection
    from pymongo.monitoring import ConnectionPoolListener

    from swarm_ext.model import Record, Run

DUPLICATE_KEY = 11000
REFUSALS = frozenset({2, 9, 14, 22, 52, 56, 57, 121, 10334, 17280})
"""Codes that tell of a document which the server can never take: bad value, name, type, size, or against its rules."""

_OURS = "swarm_ext"
"""The collection that says whose the database is: the schema's version, deleted runs, the last probe."""

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


class MongoStore:
    """A `Store` in one MongoDB database. What a method has returned from is in the journals of a majority.

    It is connected when it is first asked. It is used by one thread; where gevent has patched the process, in the thread that
    made it. `connections` bounds the connections, `listeners` hear of them (pymongo.monitoring).
    """

    def __init__(
        self,
        address: MongoAddress,
        *,
        connections: int | None = None,
        listeners: Sequence[ConnectionPoolListener] = (),
    ) -> None:
        from pymongo.errors import PyMongoError  # noqa: PLC0415  # an extra
        from pymongo.write_concern import WriteConcern  # noqa: PLC0415

        self._address = address
        self._driver_error = PyMongoError
        self._closed = False
        try:
            self._client: MongoClient[dict[str, Any]] = address.client(
                connections=connections, listeners=listeners
            )
        except (PyMongoError, ValueError) as error:
            reason = address.explain(error) if isinstance(error, PyMongoError) else str(error)
            raise UserError(f"{address.shown} cannot be used: {reason}; correct the URI") from error
        concern = self._client.write_concern.document.get("wtimeout")
        self._database = self._client.get_database(
            address.database, write_concern=WriteConcern("majority", wtimeout=concern, j=True)
        )

    @property
    def uri(self) -> str:
        """The URI it was opened by, its password masked."""
        return self._address.shown

    # the database

    def prepare(self, *, must_exist: bool = False) -> None:
        """Check that the database is ours or empty, and make what is missing: its mark and its indexes.

        Raise UserError if it belongs to others or was made by a newer version, or, with `must_exist`, if it is not there.
        """
        with self._asking("opened"):
            mark = self._database[_OURS].find_one({"_id": "schema"})
            if mark is None:
                if must_exist:
                    raise UserError(
                        f"{self.uri}: there are no runs in the database {self._address.database};"
                        " a run makes it, or name the database of an earlier run"
                    )
                self._mark_as_ours()
            elif mark["version"] > SCHEMA_VERSION:
                raise UserError(
                    f"{self.uri}: a newer swarm-ext wrote this (schema {mark['version']}; this one knows {SCHEMA_VERSION});"
                    " upgrade swarm-ext, or choose another database"
                )
            if not must_exist:
                self._database[RUNS].create_index(BY_START, name="by_start")
                for collection in COLLECTIONS.values():
                    self._database[collection.name].create_index(BY_TIME, name="by_time")

    def _mark_as_ours(self) -> None:
        names = {RUNS, *(collection.name for collection in COLLECTIONS.values())}
        taken = sorted(names & set(self._database.list_collection_names()))
        if any(self._database[name].find_one({}, ["_id"]) is not None for name in taken):
            raise UserError(
                f"{self.uri}: the database {self._address.database} belongs to another application (it has {taken[0]});"
                " choose another database"
            )
        self._database[_OURS].replace_one(
            {"_id": "schema"}, {"_id": "schema", "version": SCHEMA_VERSION}, upsert=True
        )

    def check_writable(self) -> None:
        """Write something of no use, as a run would; raise StoreError if the server does not take it."""
        with self._asking("written"):
            self._database[_OURS].replace_one(
                {"_id": "probe"}, {"_id": "probe", "at": datetime.now(UTC)}, upsert=True
            )

    def close(self) -> None:
        """Let go of the connections. Idempotent."""
        self._closed = True
        self._client.close()

    # writing

    def put_run(self, run: Run) -> None:
        """Store `run`, replacing what was stored under its id. Raise UnstorableRecordError if it cannot ever be."""
        self.put_run_document(encoded(f"{self.uri}: run {run.id}", lambda: run_document(run)))
        self.allow_again(run.id)

    def allow_again(self, run_id: str) -> None:
        """Forget that a run was deleted: it may be stored again."""
        with self._asking("written"):
            self._database[_OURS].delete_one({"_id": _deletion(run_id)})

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
        with self._asking("written"):
            self._database[_OURS].replace_one(
                {"_id": _deletion(run_id)}, {"_id": _deletion(run_id), "at": datetime.now(UTC)}, upsert=True
            )
            deleted = self._delete_records({"run_id": run_id})
            self._database[RUNS].delete_one({"_id": run_id})
        return deleted

    def prune(self, run_id: str, before: datetime) -> dict[str, int]:
        """Delete a run's records older than a moment; return the counts deleted."""
        moment, _ = date_and_rest(before)
        mark = {"_id": f"pruned {run_id}", "before": moment}
        with self._asking("written"):
            self._database[_OURS].replace_one({"_id": mark["_id"]}, mark, upsert=True)
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

    def was_deleted(self, run_id: str) -> bool:
        """Return whether somebody deleted this run: it must not come back by itself."""
        with self._asking("read"):
            return self._database[_OURS].find_one({"_id": _deletion(run_id)}) is not None

    def pruned_before(self, run_id: str) -> datetime | None:
        """Return before which moment a run's records were deleted, None if they never were."""
        with self._asking("read"):
            mark = self._database[_OURS].find_one({"_id": f"pruned {run_id}"})
        return None if mark is None else mark["before"]

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

    @contextmanager
    def _asking(self, done: str) -> Iterator[None]:
        """Turn whatever the driver raises into one line: a UserError for credentials that are wrong, else a StoreError."""
        if self._closed:
            raise StoreError(f"{self.uri} is closed; open it again")
        try:
            yield
        except self._driver_error as error:
            reason = self._address.explain(error)
            if refuses_credentials(error):
                raise UserError(
                    f"{self.uri}: the server refuses the credentials: {reason}; correct user and password, and add"
                    " ?authSource=admin to the URI if the user was made there"
                ) from error
            raise StoreError(f"{self.uri} could not be {done}: {reason}") from error


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


def _deletion(run_id: str) -> str:
    return f"deleted {run_id}"


def _beginning_with(prefix: str) -> dict[str, Any]:
    return {"_id": {"$gte": prefix, "$lt": prefix + "\U0010ffff"}} if prefix else {}
