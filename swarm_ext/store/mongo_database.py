"""One MongoDB database of ours: the connection to it, whose it is, and what must be remembered of runs that are gone."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from swarm_ext.errors import UserError
from swarm_ext.store import StoreError
from swarm_ext.store.mongo_client import refuses_credentials
from swarm_ext.store.mongo_documents import BY_START, BY_TIME, COLLECTIONS, RUNS, SCHEMA_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pymongo import MongoClient
    from pymongo.monitoring import ConnectionPoolListener

    from swarm_ext.store.mongo_client import MongoAddress

_OURS = "swarm_ext"
"""The collection of marks: the schema's version, runs that were deleted, runs that were pruned; for a moment, a probe."""


class MongoDatabase:
    """A database, and a client of its own. `connections` bounds the connections, `listeners` hear of them."""

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
        except (PyMongoError, ValueError, OSError) as error:  # OSError: certificates that are none
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

    def prepare(self, *, must_exist: bool = False) -> None:
        """Check that the database is ours or empty, and make what is missing: its mark and its indexes.

        Raise UserError if it belongs to others or was made by a newer version, or, with `must_exist`, if it is not there.
        """
        if self.is_made():
            return
        if must_exist:
            raise UserError(
                f"{self.uri}: there are no runs in the database {self._address.database};"
                " a run makes it, or name the database of an earlier run"
            )
        with self._asking("opened"):
            self._make()

    def is_made(self) -> bool:
        """Return whether the database is ours already; if not, it is free to become so. Nothing is made.

        Raise UserError if it belongs to others or was made by a newer version, StoreError if the server does not answer.
        """
        with self._asking("opened"):
            mark = self._database[_OURS].find_one({"_id": "schema"})
            if mark is None:
                self._check_free()
                return False
        if mark["version"] > SCHEMA_VERSION:
            raise UserError(
                f"{self.uri}: a newer swarm-ext wrote this (schema {mark['version']}; this one knows {SCHEMA_VERSION});"
                " upgrade swarm-ext, or choose another database"
            )
        return True

    def renew(self) -> None:
        """Make what is missing in a database that was ours a moment ago: it may have come back empty."""
        with self._asking("opened"):
            if self._database[_OURS].find_one({"_id": "schema"}) is None:
                self._make()

    def _check_free(self) -> None:
        names = {RUNS, *(collection.name for collection in COLLECTIONS.values())}
        taken = sorted(names & set(self._database.list_collection_names()))
        used = any(self._database[name].find_one({}, ["_id"]) is not None for name in taken)
        if used and self._database[_OURS].find_one({"_id": "schema"}) is None:  # nobody of ours was faster
            raise UserError(
                f"{self.uri}: the database {self._address.database} belongs to another application (it has {taken[0]});"
                " choose another database"
            )

    def _make(self) -> None:
        self._database[RUNS].create_index(BY_START, name="by_start")
        for collection in COLLECTIONS.values():
            self._database[collection.name].create_index(BY_TIME, name="by_time")
        # the mark comes last: where it is, the indexes are
        self._mark("schema", version=SCHEMA_VERSION)

    def check_writable(self) -> None:
        """Write something of no use, as a run would, and delete it; raise StoreError if the server does not take it."""
        self._mark("probe", at=datetime.now(UTC))
        with self._asking("written"):
            self._database[_OURS].delete_one({"_id": "probe"})

    def close(self) -> None:
        """Let go of the connections. Idempotent."""
        self._closed = True
        self._client.close()

    # marks

    def mark_deleted(self, run_id: str) -> None:
        """Remember that somebody deleted a run, so that it does not come back by itself."""
        self._mark(f"deleted {run_id}", at=datetime.now(UTC))

    def was_deleted(self, run_id: str) -> bool:
        """Return whether somebody deleted this run."""
        return self._marked(f"deleted {run_id}") is not None

    def allow_again(self, run_id: str) -> None:
        """Forget that a run was deleted: it may be stored again."""
        with self._asking("written"):
            self._database[_OURS].delete_one({"_id": f"deleted {run_id}"})

    def mark_pruned(self, run_id: str, before: datetime) -> None:
        """Remember that a run's records older than a moment were deleted."""
        self._mark(f"pruned {run_id}", before=before)

    def pruned_before(self, run_id: str) -> datetime | None:
        """Return before which moment a run's records were deleted, None if they never were."""
        mark = self._marked(f"pruned {run_id}")
        return None if mark is None else mark["before"]

    def _mark(self, key: str, **values: Any) -> None:
        with self._asking("written"):
            self._database[_OURS].replace_one({"_id": key}, {"_id": key, **values}, upsert=True)

    def _marked(self, key: str) -> dict[str, Any] | None:
        with self._asking("read"):
            return self._database[_OURS].find_one({"_id": key})

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
