"""What watches and scales during one run: sampler, service watcher, autoscaler, and the store they all end in.

Nothing in here may stop or slow the load: whatever fails is logged once per change of state, counted, and shown at the end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from swarm_ext import cadvisor, events
from swarm_ext.sampler import Sampler
from swarm_ext.sampling.service_limits import with_service_limits
from swarm_ext.scaling import Autoscaler
from swarm_ext.service_watch import ServiceWatcher
from swarm_ext.store.writer import StoreWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from swarm_ext.model import (
        ContainerSample,
        LoadSample,
        Node,
        NodeSample,
        Run,
        ScalingDecision,
        ServiceSample,
    )
    from swarm_ext.scaling import ScalingPlan
    from swarm_ext.store import RunStore
    from swarm_ext.swarm import Swarm

FLUSH_SECONDS = 15.0
"""How long the end of a run waits for the store."""


class Observation:
    """Watches one run. `nodes` gives the nodes to sample; without a swarm nothing is watched but the load and those."""

    def __init__(
        self,
        store: RunStore,
        *,
        nodes: Callable[[], Sequence[Node]] | None,
        swarm: Swarm | None,
        service: str,
        plan: ScalingPlan | None,
        sample_interval_seconds: float,
    ) -> None:
        if nodes is not None:
            cadvisor.warm_up()  # while there is no load
        self._store = store
        self._nodes = nodes
        self._swarm = swarm
        self._service = service
        self._plan = plan
        self._interval = sample_interval_seconds
        self._writer: StoreWriter | None = None
        self._sampler: Sampler | None = None
        self._watcher: ServiceWatcher | None = None
        self._autoscaler: Autoscaler | None = None
        self.latest_load: LoadSample | None = None
        self.latest_service: ServiceSample | None = None
        self.replica_changes: list[tuple[float, int]] = []
        """(seconds since the start, desired replicas) at each change."""
        self._start = 0.0

    def begin(self, run: Run) -> None:
        """Store the run as begun, and begin to watch."""
        self._start = run.start.timestamp()
        self._writer = StoreWriter(self._store)
        self._writer.put_run(run)
        if self._plan is not None and self._swarm is not None:
            self._autoscaler = Autoscaler(self._swarm, self._plan, run_id=run.id, on_decision=self._decided)
            self._autoscaler.start()
        if self._swarm is not None:
            self._watcher = ServiceWatcher(
                run.id, self._swarm, self._service, on_samples=self._service_samples
            )
            self._watcher.start()
        if self._nodes is not None:
            self._sampler = Sampler(
                run.id,
                self._nodes,
                interval_seconds=self._interval,
                on_samples=self._container_samples,
                on_node_samples=self._node_samples,
            )
            self._sampler.start()

    def load_samples(self, samples: Sequence[LoadSample]) -> None:
        """Take what the load did."""
        self.latest_load = samples[-1]
        self._keep(samples)
        if self._autoscaler is not None:
            self._autoscaler.load_samples(samples)
        events.load_samples.fire(samples=samples)

    def _container_samples(self, samples: Sequence[ContainerSample]) -> None:
        samples = with_service_limits(samples, self._watcher.latest if self._watcher else None)
        self._keep(samples)
        if self._autoscaler is not None:
            self._autoscaler.container_samples(samples)
        events.container_samples.fire(samples=samples)

    def _node_samples(self, samples: Sequence[NodeSample]) -> None:
        self._keep(samples)
        events.node_samples.fire(samples=samples)

    def _service_samples(self, samples: Sequence[ServiceSample]) -> None:
        self.latest_service = samples[-1]
        for sample in samples:
            if not self.replica_changes or self.replica_changes[-1][1] != sample.desired:
                self.replica_changes.append(
                    (max(0.0, sample.timestamp.timestamp() - self._start), sample.desired)
                )
        self._keep(samples)
        if self._autoscaler is not None and self._watcher is not None and self._watcher.latest is not None:
            self._autoscaler.service_state(self._watcher.latest)
        events.service_samples.fire(samples=samples)

    def _decided(self, decision: ScalingDecision) -> None:
        self._keep([decision])
        events.scaling_decision.fire(decision=decision)

    def _keep(
        self, samples: Sequence[ContainerSample | NodeSample | LoadSample | ServiceSample | ScalingDecision]
    ) -> None:
        if self._writer is not None:
            self._writer.put(samples)

    def end(self, run: Run) -> Run:
        """Stop scaling, take the last samples, store the run's end; return the run with every trouble there was."""
        troubles = list(run.troubles)
        for part in (self._autoscaler, self._sampler, self._watcher):
            if part is not None:
                part.stop()
                troubles += part.troubles()
        if self._writer is None:
            return run
        run = msgspec.structs.replace(run, troubles=(*troubles, *self._writer.troubles()))
        self._writer.put_run(run)
        if not self._writer.close(FLUSH_SECONDS):
            run = msgspec.structs.replace(run, troubles=(*troubles, *self._writer.troubles()))
        return run
