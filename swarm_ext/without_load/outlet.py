"""Where a run without load goes: into a store, into a file, or into both. Neither waits for the other."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Self

from msgspec import structs

from swarm_ext.store import open_run_store
from swarm_ext.store.writer import StoreWriter
from swarm_ext.troubles import TroubleLog
from swarm_ext.without_load.record_file import open_record_file
from swarm_ext.without_load.retention import Retention
from swarm_ext.without_load.run_record import is_open_ended

if TYPE_CHECKING:
    from collections.abc import Sequence

    from swarm_ext.model import Record, Run, Trouble
    from swarm_ext.settings import Settings
    from swarm_ext.store import RunStore
    from swarm_ext.without_load.record_file import RecordFile

FLUSH_SECONDS = 8.0
"""How long the end waits for the store: less than the ten seconds after which `docker stop` kills."""

logger = logging.getLogger(__name__)


def open_outlet(
    run: Run, chosen: Settings, *, uri: str | None, out: str | None, retain_days: float
) -> Outlet:
    """Open the store at `uri`, by way of the spool that is chosen, and the file `out`; raise UserError if one cannot be."""
    file = None if out is None else open_record_file(out)
    if uri is None:
        return Outlet(run, None, file, retain_days)
    try:
        store = open_run_store(
            uri,
            spool=chosen.spool,
            spool_limit_bytes=chosen.spool_limit,
            required=chosen.store_required,
        )
    except BaseException:
        if file is not None:
            file.close()
        raise
    return Outlet(run, store, file, retain_days)


class Outlet:
    """Takes `run` and its records to `store` and into `file`; either may be None. A context manager, which closes both.

    A run without an end keeps its records for `retain_days` in the store. Nothing that fails is raised: it is logged once a
    change, and counted.
    """

    def __init__(self, run: Run, store: RunStore | None, file: RecordFile | None, retain_days: float) -> None:
        self._store = store
        self._file = file
        self._file_log = TroubleLog("file of records", logger)
        self._writer: StoreWriter | None = None
        self._retention: Retention | None = None
        if store is not None:
            self._writer = StoreWriter(store)
            self._writer.put_run(run)
            if is_open_ended(run):
                self._retention = Retention(self._writer, run, retain_days)

    @property
    def places(self) -> str:
        """Where it all goes, in words fit to be shown."""
        return " and ".join(
            [each for each in (self._store and self._store.uri, self._file and self._file.name) if each]
        )

    def keep(self, records: Sequence[Record]) -> None:
        """Take records: into the file now, into the store soon."""
        if self._writer is not None:
            self._writer.put(records)
        if self._file is not None:
            try:
                self._file.write(records)
            except OSError as error:
                self._file_log.failed(f"{len(records)} records could not be written: {error.strerror}")
            else:
                self._file_log.succeeded()

    def end(self, run: Run) -> Run:
        """Store how the run ended; return it with what went wrong here."""
        if self._retention is not None:
            self._retention.stop()
        run = structs.replace(run, troubles=(*run.troubles, *self._troubles()))
        if self._writer is None:
            return run
        before = run.troubles
        run = structs.replace(run, troubles=(*before, *self._writer.troubles()))
        self._writer.put_run(run)
        if not self._writer.close(FLUSH_SECONDS):
            run = structs.replace(run, troubles=(*before, *self._writer.troubles()))
        return run

    def _troubles(self) -> list[Trouble]:
        found = [] if self._retention is None else self._retention.troubles()
        trouble = self._file_log.trouble()
        return [*found, trouble] if trouble else found

    def close(self) -> None:
        """Close store and file. Idempotent."""
        if self._file is not None:
            self._file.close()
        if self._store is not None:
            self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
