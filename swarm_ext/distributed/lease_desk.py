"""The master's end of `--iter N`: grants workers leases, calls back what was dealt too much, and keeps account of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swarm_ext.distributed import wire
from swarm_ext.quota import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from swarm_ext.load import LoadMerger


class LeaseDesk:
    """One run's leases of `limit` arrivals in all.

    `merger` knows what each worker told that it offered, `workers()` says who takes part and is alive, and
    `send(kind, message, worker)` must not wait.
    """

    def __init__(
        self,
        limit: int,
        run_id: str,
        merger: LoadMerger,
        workers: Callable[[], Iterable[str]],
        send: Callable[[str, wire.Grant | wire.Recall, str], None],
    ) -> None:
        self._ledger = Ledger(limit)
        self._run_id = run_id
        self._merger = merger
        self._workers = workers
        self._send = send
        self._told_exhausted = False

    @property
    def done(self) -> bool:
        """Whether all arrivals that the run may make were offered."""
        return self._merger.offered() >= self._ledger.limit

    def deal(self, worker: str, wanted: int) -> None:
        """Grant a worker that is not lost what it wants, as far as that is left."""
        self._grant(worker, self._ledger.deal(worker, wanted))

    def give_back(self, worker: str, returned: int) -> None:
        """Note how many arrivals in all a worker has given back so far: others may have them."""
        self._ledger.give_back(worker, returned)
        self._wake()

    def untold(self, worker: str) -> int:
        """Return how many arrivals a worker may have made at most without telling."""
        return self._ledger.held(worker, self._merger.offered(worker))

    def lose(self, worker: str) -> None:
        """Take back what a lost worker had beyond what it told: others may have it. Again when it may have told more."""
        self._ledger.lose(worker, self._merger.offered(worker))
        self._wake()

    def find(self, worker: str) -> None:
        """Count a lost worker as before, and tell it how things stand: it may wait for an answer."""
        self._ledger.find(worker)
        self._grant(worker, 0)

    def recall_excess(self, workers: Iterable[str]) -> None:
        """Ask these workers for all that they have, if more was dealt than there was."""
        if self._ledger.left < 0:
            for worker in workers:
                self._send(wire.RECALL, wire.Recall(run_id=self._run_id), worker)

    def excess(self) -> str | None:
        """Return a line if more arrivals were offered than the run might make; None if not."""
        offered = self._merger.offered()
        if offered <= self._ledger.limit:
            return None
        return (
            f"{offered} arrivals were offered, not {self._ledger.limit}: a worker came back when what it had"
            " made was dealt to others and nothing was left to deal"
        )

    def _wake(self) -> None:
        """Tell every worker that there is something left to deal, if one was told that there is not."""
        if self._ledger.left > 0 and self._told_exhausted:
            self._told_exhausted = False
            for worker in self._workers():
                self._grant(worker, 0)

    def _grant(self, worker: str, arrivals: int) -> None:
        exhausted = self._ledger.left <= 0
        self._told_exhausted |= exhausted
        grant = wire.Grant(run_id=self._run_id, arrivals=arrivals, exhausted=exhausted)
        self._send(wire.GRANT, grant, worker)
