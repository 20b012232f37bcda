"""The records that everything exchanges. Plain data: no I/O, no Locust, no behaviour beyond a natural key.

Every record is immutable, knows the run it belongs to, and has a `key`: its identity, made once, before any store, so
that storing it twice stores it once. Times are aware datetimes in UTC; units are in the field names.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

Phase = Literal["warm-up", "load", "settle"]
"""Part of a run: `warm-up` (marked, left out of the figures), `load`, `settle` (after the last arrival)."""

TaskState = Literal[
    "new", "pending", "assigned", "accepted", "preparing", "ready", "starting", "running",
    "complete", "shutdown", "failed", "rejected", "remove", "orphaned",
]  # fmt: skip
"""Swarm's own words for a task's state."""

UpdateState = Literal[
    "updating", "paused", "completed", "rollback_started", "rollback_paused", "rollback_completed"
]  # fmt: skip
"""Swarm's own words for a service's rolling update."""


def milliseconds(timestamp: datetime) -> int:
    """Return whole milliseconds since the epoch; the resolution of every record's key."""
    return round(timestamp.timestamp() * 1000)


def from_epoch(seconds: float) -> datetime:
    """Return the aware UTC datetime of `seconds` since the epoch."""
    return datetime.fromtimestamp(seconds, UTC)


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What every stored record has: the run it belongs to and when it was taken."""

    run_id: str
    timestamp: datetime

    @property
    def key(self) -> str:
        """The natural key: unique within a store, the same for the same observation."""
        return f"{self.run_id}:{milliseconds(self.timestamp)}"


class ContainerSample(Record, frozen=True, kw_only=True):
    """One point of one container, as its node's cAdvisor measured it. `timestamp` is that node's clock.

    A container's identity is `container_id`: a restarted task is a new series. `cpu_usage_seconds` is cumulative;
    `cpu_usage_cores` is its rate since the previous sample of that container, None for the first. A measurement
    that the node did not give is None, and so is a limit that does not exist.
    """

    node: str
    service: str | None
    slot: int | None
    container_id: str
    container_name: str
    cpu_usage_seconds: float | None
    cpu_usage_cores: float | None
    cpu_limit_cores: float | None
    throttled_seconds: float | None
    memory_usage_bytes: int | None
    memory_working_set_bytes: int | None
    memory_limit_bytes: int | None
    network_rx_bytes: int | None
    network_tx_bytes: int | None

    @property
    def key(self) -> str:
        """Run, container and the node's timestamp in whole milliseconds."""
        return f"{self.run_id}:{self.container_id}:{milliseconds(self.timestamp)}"


class NodeSample(Record, frozen=True, kw_only=True):
    """One point of a whole machine. `clock_offset_seconds` is the node's clock minus ours."""

    node: str
    cores: float | None
    cpu_usage_cores: float | None
    memory_usage_bytes: int | None
    memory_capacity_bytes: int | None
    clock_offset_seconds: float | None

    @property
    def key(self) -> str:
        """Run, node and the timestamp in whole milliseconds."""
        return f"{self.run_id}:{self.node}:{milliseconds(self.timestamp)}"


class LoadSample(Record, frozen=True, kw_only=True):
    """The load in one second, merged over every generating process. `timestamp` is that second's beginning.

    `offered` arrivals were due and handled in this second: each was `started` or `dropped`. `completed`, `failed` and
    `abandoned` count arrivals that *ended* in this second. `in_flight` and `users` are as at the second's end.
    `asked_rate` is the sum of the arrival rates of the streams alive, in 1/s (None for closed-loop load).
    `response_times`, of the completed arrivals only (a quick failure must not look like a quick answer), and
    `schedule_lags` are histograms (`swarm_ext.histogram`): bucket number to count.
    `replica_requests` counts requests by the replica that the response named, by short container id.
    """

    offered: int
    started: int
    completed: int
    failed: int
    dropped: int
    abandoned: int
    in_flight: int
    users: int
    asked_rate: float | None
    response_time_p50_seconds: float | None
    response_time_p95_seconds: float | None
    response_time_p99_seconds: float | None
    schedule_lag_p99_seconds: float | None
    schedule_lag_max_seconds: float | None
    response_times: dict[int, int]
    schedule_lags: dict[int, int]
    replica_requests: dict[str, int]
    phase: Phase


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """One replica of a service. `ready`: running and, where there is a health check, healthy."""

    id: str
    slot: int | None
    node: str
    container_id: str | None
    state: TaskState
    desired_state: TaskState
    ready: bool
    since: datetime
    error: str | None = None


class ServiceState(msgspec.Struct, frozen=True, kw_only=True):
    """A service as its swarm reports it now.

    `running` counts tasks whose desired and actual state are running, `ready` those of them that serve, `pending` those
    that should run and do not yet. Limits and reservations are of one replica, None where there is none. A `global`
    service has one replica for each node, and cannot be scaled.
    """

    name: str
    mode: Literal["replicated", "global"] = "replicated"
    desired: int
    running: int
    ready: int
    pending: int
    update_state: UpdateState | None
    tasks: tuple[Task, ...]
    cpu_limit_cores: float | None
    cpu_reservation_cores: float | None
    memory_limit_bytes: int | None
    labels: dict[str, str]


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """A machine of the swarm. `cadvisor_url` is where its cAdvisor answers; None when none is expected there."""

    id: str
    name: str
    address: str
    state: Literal["ready", "down", "drain", "unknown"]
    cadvisor_url: str | None
    cores: float | None


class ServiceSample(Record, frozen=True, kw_only=True):
    """A service once a second and at every change, whether or not it is scaled."""

    service: str
    desired: int
    running: int
    ready: int
    pending: int
    update_state: UpdateState | None
    tasks: tuple[Task, ...]

    @property
    def key(self) -> str:
        """Run, service and the timestamp in whole milliseconds."""
        return f"{self.run_id}:{self.service}:{milliseconds(self.timestamp)}"


class ScalingDecision(Record, frozen=True, kw_only=True):
    """One evaluation of the autoscaler, also one that decides not to act; `reason` says in words why.

    `before` is the desired count found, `desired` what the policy asks for after its bounds, `applied` what was
    written to the swarm (None: nothing was), at `applied_at`. `metric` names what was measured, `value` and `target` are
    in that metric's unit.
    """

    id: str
    service: str
    applied_at: datetime | None
    before: int
    desired: int
    applied: int | None
    metric: str
    value: float | None
    target: float | None
    reason: str

    @property
    def key(self) -> str:
        """Run and the decision's own id."""
        return f"{self.run_id}:{self.id}"


class PhaseSpan(msgspec.Struct, frozen=True, kw_only=True):
    """When a phase of the run began and ended (None: not yet)."""

    name: Phase
    start: datetime
    end: datetime | None


class ArrivalProcessRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The asked arrival process of each stream. `kind`: poisson, normal, constant, profile, replay, closed, mixed or custom.

    `rate` is None where it varies. `recorded` is the number of recorded arrivals of a replay, over all streams.
    """

    kind: str
    description: str
    rate: float | None
    recorded: int | None = None
    mu: float | None = None
    sigma: float | None = None


class ArrivalCheck(msgspec.Struct, frozen=True, kw_only=True):
    """What the measured gaps say, by the time-rescaling theorem (Brown et al. 2002), streams laid end to end.

    Each measured gap becomes its cumulative hazard under the asked process; those are the gaps of a Poisson process of rate
    one if the arrivals are as asked. `observed` arrivals happened where `expected` (the total hazard, censored
    ends included) should have. `uniforms[i]` counts gaps whose probability transform fell into [i/n, (i+1)/n),
    n = len(uniforms): what a Kolmogorov-Smirnov test needs, in fixed memory and mergeable. `expected` and `uniforms` are
    None where the asked process has no density (a constant gap, closed-loop load). Of a replay, `expected` is how many
    recorded arrivals were due until its end, and no chance is in it.
    """

    observed: int
    expected: float | None
    uniforms: tuple[int, ...] | None


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """The whole run, from the load's own counters. offered = completed + failed + dropped + abandoned, always."""

    offered: int = 0
    completed: int = 0
    failed: int = 0
    dropped: int = 0
    abandoned: int = 0
    response_times: dict[int, int] = {}
    schedule_lags: dict[int, int] = {}
    schedule_lag_max_seconds: float | None = None


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """Something beside the load that failed while it ran: what, how often, and its last words."""

    source: str
    count: int
    message: str


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One run. Written at its start, and again whenever more of it is known.

    `worker_clocks` tells by how many seconds the clock of each worker was ahead of the master's.
    """

    id: str
    start: datetime
    end: datetime | None = None
    host: str | None = None
    locustfile: str | None = None
    swarm: str | None = None
    service: str | None = None
    arrival_process: ArrivalProcessRecord | None = None
    seed: int | None = None
    schedule_hash: str | None = None
    options: dict[str, Any] = {}
    tags: dict[str, str] = {}
    versions: dict[str, str] = {}
    phases: tuple[PhaseSpan, ...] = ()
    totals: Totals | None = None
    arrival_check: ArrivalCheck | None = None
    workers: int = 0
    worker_clocks: dict[str, float] = {}
    troubles: tuple[Trouble, ...] = ()
    exit_status: Literal["running", "finished", "interrupted", "failed"] = "running"


RECORD_TYPES: tuple[type[Record], ...] = (
    ContainerSample,
    NodeSample,
    LoadSample,
    ServiceSample,
    ScalingDecision,
)
"""Every kind of record that a store holds beside the runs themselves."""
