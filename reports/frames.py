"""From the store to data frames: a run's records as pandas tables on one clock, seconds since the load began.

Zero is the beginning of the run's first phase. Containers and nodes are stamped by their node's clock, so each time is
corrected by that node's measured offset before it is compared with anything else. A value that was not measured is NaN.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any, cast

import pandas as pd

from swarm_ext.model import ContainerSample, LoadSample, NodeSample, ScalingDecision, ServiceSample

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from swarm_ext.model import Phase, Record, Run
    from swarm_ext.store import Store

MEGABYTE = 1e6
"""Memory is shown in MB of 10^6 bytes."""

SHORT_ID = 12
"""Characters of a container's short id, as Docker shows it and as a replica names itself."""

LEAD_SECONDS = 10.0
"""What was measured longer than this before the load (while replicas were made ready, say) is not shown."""


@dataclass(frozen=True)
class Span:
    """A phase of the run, from `start` to `end` in seconds since the load began."""

    name: Phase
    start: float
    end: float

    @property
    def seconds(self) -> float:
        """How long it took."""
        return max(0.0, self.end - self.start)


@dataclass(frozen=True)
class RunFrames:
    """A run and its records. Every table has `t`, seconds since the load began, ascending, and one row a record.

    - `load`: the fields of LoadSample, histograms as dicts, `lost` = dropped + abandoned;
    - `containers`: container (its id), cpu_seconds (cumulative), cores, limit_cores, throttled_seconds, memory_mb,
      memory_limit_mb;
    - `inventory`: one row a container, in order of appearance: container, label, service, slot, node, first, last [s];
    - `nodes`: node, cores, cpu_cores, memory_mb, capacity_mb;
    - `services`: service, desired, running, ready, pending, update_state;
    - `decisions`: id, service, applied_t, before, desired, applied, metric, value, target, reason.
    """

    run: Run
    origin: datetime
    spans: tuple[Span, ...]
    load: pd.DataFrame
    containers: pd.DataFrame
    inventory: pd.DataFrame
    nodes: pd.DataFrame
    services: pd.DataFrame
    decisions: pd.DataFrame

    @property
    def start(self) -> float:
        """When the first thing was seen, in seconds since the load began: at most 0, and not long before it."""
        seen = [float(table["t"].iloc[0]) for table in self._timed() if not table.empty]
        return max(-LEAD_SECONDS, min([0.0, *seen]))

    @property
    def end(self) -> float:
        """When the last thing was seen, in seconds since the load began (at least 1)."""
        seen = [float(table["t"].iloc[-1]) for table in self._timed() if not table.empty]
        return max([1.0, *seen, *(span.end for span in self.spans)])

    def _timed(self) -> tuple[pd.DataFrame, ...]:
        return self.load, self.containers, self.services, self.decisions


def read(store: Store, run_id: str) -> RunFrames:
    """Read one run, by its id or `latest`. Raise UnknownRunError if there is none, StoreError if it cannot be read."""
    run = store.run(run_id)
    loads = list(store.read(run.id, LoadSample))
    origin = _origin(run, loads)

    def seconds(moment: datetime) -> float:
        return (moment - origin).total_seconds()

    nodes = list(store.read(run.id, NodeSample))
    offsets = _clock_offsets(nodes)
    containers, inventory = _containers(store.read(run.id, ContainerSample), seconds, offsets)
    load = _table(loads, _LOAD, seconds)
    return RunFrames(
        run=run,
        origin=origin,
        spans=_spans(run, load, seconds),
        load=load,
        containers=containers,
        inventory=inventory,
        nodes=_corrected(_table(nodes, _NODES, seconds), offsets),
        services=_table(store.read(run.id, ServiceSample), _SERVICES, seconds),
        decisions=_decisions(store.read(run.id, ScalingDecision), seconds),
    )


_LOAD: dict[str, Callable[[LoadSample], Any]] = {
    "phase": lambda s: s.phase,
    "offered": lambda s: s.offered,
    "started": lambda s: s.started,
    "completed": lambda s: s.completed,
    "failed": lambda s: s.failed,
    "dropped": lambda s: s.dropped,
    "abandoned": lambda s: s.abandoned,
    "lost": lambda s: s.dropped + s.abandoned,
    "in_flight": lambda s: s.in_flight,
    "users": lambda s: s.users,
    "asked_rate": lambda s: _number(s.asked_rate),
    "schedule_lag_max_seconds": lambda s: _number(s.schedule_lag_max_seconds),
    "response_times": lambda s: s.response_times,
    "schedule_lags": lambda s: s.schedule_lags,
    "replica_requests": lambda s: s.replica_requests,
}
_NODES: dict[str, Callable[[NodeSample], Any]] = {
    "node": lambda s: s.node,
    "cores": lambda s: _number(s.cores),
    "cpu_cores": lambda s: _number(s.cpu_usage_cores),
    "memory_mb": lambda s: _megabytes(s.memory_usage_bytes),
    "capacity_mb": lambda s: _megabytes(s.memory_capacity_bytes),
}
_SERVICES: dict[str, Callable[[ServiceSample], Any]] = {
    "service": lambda s: s.service,
    "desired": lambda s: s.desired,
    "running": lambda s: s.running,
    "ready": lambda s: s.ready,
    "pending": lambda s: s.pending,
    "update_state": lambda s: s.update_state,
}
_DECISIONS: dict[str, Callable[[ScalingDecision], Any]] = {
    "id": lambda d: d.id,
    "service": lambda d: d.service,
    "applied_at": lambda d: d.applied_at,
    "before": lambda d: d.before,
    "desired": lambda d: d.desired,
    "applied": lambda d: _number(d.applied),
    "metric": lambda d: d.metric,
    "value": lambda d: _number(d.value),
    "target": lambda d: _number(d.target),
    "reason": lambda d: d.reason,
}
_CONTAINERS: dict[str, Callable[[ContainerSample], Any]] = {
    "container": lambda s: s.container_id,
    "name": lambda s: s.container_name,
    "service": lambda s: s.service,
    "slot": lambda s: s.slot,
    "node": lambda s: s.node,
    "cpu_seconds": lambda s: _number(s.cpu_usage_seconds),
    "cores": lambda s: _number(s.cpu_usage_cores),
    "limit_cores": lambda s: _number(s.cpu_limit_cores),
    "throttled_seconds": lambda s: _number(s.throttled_seconds),
    "memory_mb": lambda s: _megabytes(s.memory_usage_bytes),
    "memory_limit_mb": lambda s: _megabytes(s.memory_limit_bytes),
}
_IDENTITY = ("name", "service", "slot", "node")


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def _megabytes(value: int | None) -> float:
    return float("nan") if value is None else value / MEGABYTE


def _table(
    records: Iterable[Any], fields: Mapping[str, Callable[[Any], Any]], seconds: Callable[[datetime], float]
) -> pd.DataFrame:
    columns: dict[str, list[Any]] = {"t": [], **{name: [] for name in fields}}
    for record in records:
        columns["t"].append(seconds(record.timestamp))
        for name, field in fields.items():
            columns[name].append(field(record))
    return pd.DataFrame(columns).astype({"t": float})


def _origin(run: Run, loads: list[LoadSample]) -> datetime:
    if run.phases:
        return min(phase.start for phase in run.phases)
    return loads[0].timestamp if loads else run.start


def _spans(run: Run, load: pd.DataFrame, seconds: Callable[[datetime], float]) -> tuple[Span, ...]:
    """Return the phases as written, an open one closed by the last load sample; or what the load samples say."""
    last = float(load["t"].iloc[-1]) + 1 if len(load) else 0.0
    if run.phases:
        ended = seconds(run.end) if run.end else last
        return tuple(
            Span(
                phase.name,
                seconds(phase.start),
                seconds(phase.end) if phase.end else max(ended, seconds(phase.start)),
            )
            for phase in run.phases
        )
    return tuple(
        Span(cast("Phase", name), float(times.min()), float(times.max()) + 1)
        for name, times in load.groupby("phase", sort=False)["t"]
    )


def _clock_offsets(samples: Iterable[NodeSample]) -> dict[str, float]:
    """Return each node's clock minus ours [s]; the median, because single estimates carry a poll's latency."""
    offsets: dict[str, list[float]] = {}
    for sample in samples:
        if sample.clock_offset_seconds is not None:
            offsets.setdefault(sample.node, []).append(sample.clock_offset_seconds)
    return {node: median(values) for node, values in offsets.items()}


def _corrected(table: pd.DataFrame, offsets: Mapping[str, float]) -> pd.DataFrame:
    """Return a table of samples that nodes stamped, on our clock."""
    ours = table["t"] - table["node"].map(offsets).astype(float).fillna(0.0)
    return table.assign(t=ours).sort_values("t", kind="stable", ignore_index=True)


def _containers(
    samples: Iterable[Record], seconds: Callable[[datetime], float], offsets: Mapping[str, float]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    table = _corrected(_table(samples, _CONTAINERS, seconds), offsets)
    grouped = table.groupby("container", sort=False)
    inventory = grouped[list(_IDENTITY)].last().reset_index()
    inventory["first"] = grouped["t"].min().to_numpy()
    inventory["last"] = grouped["t"].max().to_numpy()
    inventory["label"] = _labels(inventory)
    return table.drop(columns=list(_IDENTITY)), inventory


def _labels(inventory: pd.DataFrame) -> list[str]:
    """Return what each container is called: service and slot, else its name, and as much of its id as tells all apart."""
    ids = inventory["container"].tolist()
    titles = [
        _title(*identity)
        for identity in zip(inventory["name"], inventory["service"], inventory["slot"], strict=True)
    ]
    for length in (6, SHORT_ID):
        labels = [f"{title} · {container[:length]}" for title, container in zip(titles, ids, strict=True)]
        if len(set(labels)) == len(labels):
            return labels
    return [f"{title} · {container}" for title, container in zip(titles, ids, strict=True)]


def _title(name: str, service: str | None, slot: float | None) -> str:
    if service is None or pd.isna(service):
        return name
    return service if slot is None or pd.isna(slot) else f"{service}.{int(slot)}"


def _decisions(records: Iterable[ScalingDecision], seconds: Callable[[datetime], float]) -> pd.DataFrame:
    table = _table(records, _DECISIONS, seconds)
    applied = [float("nan") if pd.isna(moment) else seconds(moment) for moment in table.pop("applied_at")]
    table["applied_t"] = pd.Series(applied, dtype=float)
    return table
