"""The store: whether it can be opened and written to, and what still waits to be shipped to it."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from swarm_ext.doctor.finding import Finding, ok, warning
from swarm_ext.errors import UserError
from swarm_ext.model import Run
from swarm_ext.run_id import new_run_id
from swarm_ext.store import StoreError, open_store, scheme_of
from swarm_ext.store.sqlite_file import path_of

if TYPE_CHECKING:
    from collections.abc import Mapping

LITTLE_BYTES = 500_000_000


def examine_store(uri: str) -> Finding:
    """Open the store, write to it and leave no trace; raise UserError or StoreError where that cannot be done."""
    if scheme_of(uri) == "sqlite":
        return _examine_file(uri)
    from swarm_ext.store.mongo_client import MongoAddress  # noqa: PLC0415 - an extra
    from swarm_ext.store.mongo_database import MongoDatabase  # noqa: PLC0415

    with closing(MongoDatabase(MongoAddress.parse(uri))) as database:
        try:
            made = database.is_made()
        except StoreError as error:
            raise UserError(f"{error}; start the server, or correct the URI") from error
        database.check_writable()
        yet = "" if made else "; the first run will make its collections and indexes"
        return ok("store", f"{database.uri} can be written to{yet}")


def _examine_file(uri: str) -> Finding:
    path = path_of(uri)
    if path.exists() or not path.parent.is_dir():
        _write_and_delete(uri)
        text = f"{uri} can be written to"
    else:
        try:
            with tempfile.TemporaryDirectory(dir=path.parent, prefix="swarm-ext-doctor-") as folder:
                _write_and_delete(f"sqlite:///{folder}/probe.db")
        except OSError as error:
            raise UserError(
                f"{uri}: the directory {path.parent} may not be written to ({error.strerror}); choose another"
            ) from None
        text = f"{uri} is not there yet, and can be made"
    return judge_room(text, shutil.disk_usage(path.parent).free)


def judge_room(text: str, free_bytes: int) -> Finding:
    """Judge a store that can be used, as `text` says, by the room on its disk."""
    room = f"{free_bytes / 1e9:.1f} GB free there"
    if free_bytes < LITTLE_BYTES:
        return warning("store", f"{text}; {room}", "make room, or choose another place")
    return ok("store", f"{text}; {room}")


def _write_and_delete(uri: str) -> None:
    with closing(open_store(uri)) as store:
        now = datetime.now(UTC)
        probe = Run(id=f"{new_run_id(now)}-doctor", start=now)
        store.put_run(probe)
        store.delete(probe.id)


def examine_spool(uri: str, spool: str, limit_bytes: int) -> Finding:
    """Look what waits in the spool to be shipped to the database, without making a spool; raise StoreError or UserError."""
    from swarm_ext.store.mongo_client import MongoAddress  # noqa: PLC0415 - an extra
    from swarm_ext.store.spool import Spool  # noqa: PLC0415

    if not Path(spool).exists():
        return ok("spool", "nothing waits to be shipped: there is no spool yet")
    address = MongoAddress.parse(uri)
    with closing(Spool(spool, limit_bytes=limit_bytes, must_exist=True)) as opened:
        waiting = {run.id: opened.waiting(run) for run in opened.runs(address.target) if run.waits}
    return judge_spool(spool, waiting, address.shown)


def judge_spool(spool: str, waiting: Mapping[str, int], store: str) -> Finding:
    """Judge what waits for `store`: records by run."""
    if not waiting:
        return ok("spool", f"nothing waits in {spool} to be shipped")
    return warning(
        "spool",
        f"{sum(waiting.values()):,} records of {len(waiting)} runs wait in {spool}: the store was away, or a run goes on",
        f"ship them, once the store is there: `swarm-ext runs ship --store {store} --spool {spool}`",
    )
