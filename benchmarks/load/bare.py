"""Our users with nothing beside them: no store either. The run as it was at its end is kept, for its figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import swarm_ext.bench
from benchmarks.load.ours import Visitor  # noqa: F401 - the user
from swarm_ext.store.sqlite import open_sqlite

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from swarm_ext.model import Record, Run, Trouble


class KeepsTheEnd:
    """As much of a RunStore as a run needs; it puts the last state of a run into a real one when it is closed."""

    def __init__(self, uri: str, **_: object) -> None:
        self.uri = uri
        self._last: Run | None = None

    def put_run(self, run: Run) -> None:
        """Keep the run in memory."""
        self._last = run

    def write(self, records: Sequence[Record]) -> None:
        """Let records go."""

    def finish(self, run_ids: Collection[str], timeout_seconds: float) -> bool:  # noqa: ARG002 - RunStore's
        """Have all in place."""
        return True

    def troubles(self, run_id: str) -> list[Trouble]:  # noqa: ARG002 - RunStore's
        """Have none."""
        return []

    def close(self) -> None:
        """Store the run."""
        if self._last is not None:
            store = open_sqlite(self.uri, must_exist=False)
            store.put_run(self._last)
            store.close()
            self._last = None


swarm_ext.bench.open_run_store = KeepsTheEnd  # type: ignore[assignment, attr-defined]
