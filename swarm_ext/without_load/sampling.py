"""Samples nodes, and follows a service, without any load: what `swarm-ext sample` does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swarm_ext.sampler import Sampler
from swarm_ext.service_watch import ServiceWatcher
from swarm_ext.without_load.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from swarm_ext.model import Node, Record, Run, Trouble
    from swarm_ext.swarm import Swarm
    from swarm_ext.without_load.outlet import Outlet


class Sampling:
    """Samples `nodes` for `run`, and with a `swarm` also how `run.service` stands; `outlet` gets what comes.

    Nothing that fails ends it, be it a node or the swarm: it is logged once a change, and counted.
    """

    def __init__(
        self,
        run: Run,
        outlet: Outlet,
        nodes: Callable[[], Sequence[Node]],
        *,
        interval_seconds: float,
        swarm: Swarm | None,
    ) -> None:
        self.tally = Tally()
        self._outlet = outlet
        self._sampler = Sampler(
            run.id,
            nodes,
            interval_seconds=interval_seconds,
            on_samples=self._keep,
            on_node_samples=self._keep,
        )
        self._watcher: ServiceWatcher | None = None
        if swarm is not None and run.service is not None:
            self._watcher = ServiceWatcher(run.id, swarm, run.service, on_samples=self._keep)

    def start(self) -> None:
        """Begin, in the background."""
        self._sampler.start()
        if self._watcher is not None:
            self._watcher.start()

    def stop(self) -> list[Trouble]:
        """Take the last samples and end; return what has failed."""
        self._sampler.stop()
        troubles = self._sampler.troubles()
        if self._watcher is not None:
            self._watcher.stop()
            troubles += self._watcher.troubles()
        return troubles

    def _keep(self, records: Sequence[Record]) -> None:
        self.tally.add(records)
        self._outlet.keep(records)
