"""A swarm in memory with a simulated clock: work arrives at random, is shared among replicas, and costs CPU.

It is honest about what makes scaling hard: a replica takes time to start and burns its limit meanwhile, what exceeds a
replica's limit queues up, samples are late, and the nodes' clocks are an hour off.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from swarm_ext.model import ContainerSample, LoadSample, Node, ServiceState, Task
from swarm_ext.scaling import Autoscaler, Clocks
from swarm_ext.swarm import SwarmError, UnknownServiceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from swarm_ext.model import ScalingDecision, TaskState, UpdateState
    from swarm_ext.scaling import ScalingPlan

START = datetime(2026, 1, 1, tzinfo=UTC)
NODE_CLOCK_OFFSET = timedelta(hours=1)


@dataclass
class Replica:
    task_id: str
    slot: int
    started: float
    cpu_seconds: float = 0.0
    backlog_seconds: float = 0.0
    throttled_seconds: float = 0.0


@dataclass
class SimulatedSwarm:
    """Implements the Swarm protocol for one service. Times are seconds since the beginning of the simulation."""

    limit_cores: float | None = 0.25
    reservation_cores: float | None = None
    start_seconds: float = 3.0
    places: int = 100
    labels: dict[str, str] = field(default_factory=dict)
    update_state: UpdateState | None = None
    broken: bool = False
    refuses: bool = False
    now: float = 0.0
    desired: int = 1
    history: list[tuple[float, int]] = field(default_factory=list)
    replicas: list[Replica] = field(default_factory=list)
    ending: list[Replica] = field(default_factory=list)
    made: int = 0
    kind: str = "simulated"

    def __post_init__(self) -> None:
        self._reconcile()
        for replica in self.replicas:
            replica.started = -1000.0

    # The protocol

    def nodes(self) -> list[Node]:
        return []

    def services(self) -> list[str]:
        return ["web"]

    def service(self, name: str) -> ServiceState:
        if self.broken:
            raise SwarmError("asked the manager for web: connection refused")
        if name != "web":
            raise UnknownServiceError(f"no service {name!r}; there are: web")
        tasks = [self._task(replica, "running", "running") for replica in self.replicas]
        tasks += [self._task(replica, "running", "shutdown") for replica in self.ending]
        tasks += [self._unplaced(slot) for slot in range(len(self.replicas) + 1, self.desired + 1)]
        return ServiceState(
            name=name,
            desired=self.desired,
            running=len(self.replicas),
            ready=sum(self._is_ready(replica) for replica in self.replicas),
            pending=max(0, self.desired - len(self.replicas)),
            update_state=self.update_state,
            tasks=tuple(tasks),
            cpu_limit_cores=self.limit_cores,
            cpu_reservation_cores=self.reservation_cores,
            memory_limit_bytes=None,
            labels=self.labels,
        )

    def scale(self, name: str, replicas: int) -> None:
        if self.refuses:
            raise SwarmError("scale web: update out of sequence")
        self.desired = replicas
        self.history.append((self.now, replicas))
        self._reconcile()

    def close(self) -> None: ...

    # The world

    def work(self, cpu_seconds: float) -> None:
        """Let one second pass, in which so much work arrived: ready replicas share it, each up to its limit."""
        self.now += 1.0
        self.ending.clear()
        self._reconcile()
        ready = [replica for replica in self.replicas if self._is_ready(replica)]
        limit = self.limit_cores or 100.0
        pooled = cpu_seconds + sum(replica.backlog_seconds for replica in self.replicas)
        for replica in self.replicas:
            replica.backlog_seconds = pooled / len(ready) if ready else pooled / len(self.replicas)
            used = min(limit, replica.backlog_seconds) if replica in ready else limit
            replica.cpu_seconds += used
            if replica in ready:
                replica.backlog_seconds -= used
            elif ready:
                replica.backlog_seconds = 0.0

    def samples(self) -> list[ContainerSample]:
        return [self._sample(replica) for replica in (*self.replicas, *self.ending)]

    def replace(self, slot: int) -> None:
        """Let the replica in a slot crash; the swarm starts another in its place."""
        self.replicas = [replica for replica in self.replicas if replica.slot != slot]
        self._reconcile()

    def _reconcile(self) -> None:
        wanted = min(self.desired, self.places)
        self.ending += self.replicas[wanted:]
        del self.replicas[wanted:]
        taken = {replica.slot for replica in self.replicas}
        for slot in [slot for slot in range(1, wanted + 1) if slot not in taken]:
            self.made += 1
            self.replicas.append(Replica(f"task{self.made}", slot, self.now))

    def _is_ready(self, replica: Replica) -> bool:
        return self.now - replica.started >= self.start_seconds

    def _task(self, replica: Replica, state: TaskState, desired_state: TaskState) -> Task:
        return Task(
            id=replica.task_id,
            slot=replica.slot,
            node="n1",
            container_id=f"container-of-{replica.task_id}",
            state=state,
            desired_state=desired_state,
            ready=self._is_ready(replica),
            since=START + timedelta(seconds=replica.started),
        )

    def _unplaced(self, slot: int) -> Task:
        return Task(
            id=f"unplaced{slot}",
            slot=slot,
            node="",
            container_id=None,
            state="pending",
            desired_state="running",
            ready=False,
            since=START + timedelta(seconds=self.now),
            error="no suitable node (insufficient resources on 1 node)",
        )

    def _sample(self, replica: Replica) -> ContainerSample:
        return ContainerSample(
            run_id="run",
            timestamp=START + NODE_CLOCK_OFFSET + timedelta(seconds=self.now),
            node="n1",
            service="web",
            slot=replica.slot,
            container_id=f"container-of-{replica.task_id}",
            container_name=f"web.{replica.slot}",
            cpu_usage_seconds=replica.cpu_seconds,
            cpu_usage_cores=None,
            cpu_limit_cores=self.limit_cores,
            throttled_seconds=replica.throttled_seconds,
            memory_usage_bytes=None,
            memory_working_set_bytes=None,
            memory_limit_bytes=None,
            network_rx_bytes=None,
            network_tx_bytes=None,
        )


class Simulation:
    """Runs an autoscaler against a simulated swarm, second by second, at a seeded Poisson load."""

    def __init__(
        self, swarm: SimulatedSwarm, plan: ScalingPlan, *, seed: int = 1, cpu_seconds: float = 0.01
    ) -> None:
        self.swarm = swarm
        self.plan = plan
        self.cpu_seconds = cpu_seconds
        self.decisions: list[ScalingDecision] = []
        self.samples_flow = True
        self._random = random.Random(seed)
        self.autoscaler = self.restart()

    def restart(self) -> Autoscaler:
        """Begin with a new autoscaler, as after a restart of the process."""
        clocks = Clocks(monotonic=lambda: self.swarm.now, utc=lambda: self.utc)
        self.autoscaler = Autoscaler(
            self.swarm, self.plan, run_id="run", on_decision=self.decisions.append, clocks=clocks
        )
        return self.autoscaler

    @property
    def utc(self) -> datetime:
        return START + timedelta(seconds=self.swarm.now)

    def run(self, seconds: int, rate: Callable[[float], float] | float) -> list[ScalingDecision]:
        """Let time pass at `rate` arrivals/s; return the decisions made meanwhile."""
        made = len(self.decisions)
        for _ in range(seconds):
            asked = rate(self.swarm.now) if callable(rate) else rate
            arrivals = self._poisson(asked)
            self.swarm.work(arrivals * self.cpu_seconds)
            if self.samples_flow:
                self.autoscaler.container_samples(self.swarm.samples())
                self.autoscaler.load_samples([load_sample(self.utc, offered=arrivals)])
            if self.swarm.now % self.plan.interval_seconds == 0:
                self.autoscaler.evaluate(self.swarm.now, self.utc)
        return self.decisions[made:]

    def _poisson(self, rate: float) -> int:
        elapsed, arrivals = self._random.expovariate(rate) if rate else 2.0, 0
        while elapsed < 1.0:
            arrivals += 1
            elapsed += self._random.expovariate(rate)
        return arrivals


def load_sample(timestamp: datetime, *, offered: int, asked_rate: float | None = None) -> LoadSample:
    return LoadSample(
        run_id="run",
        timestamp=timestamp,
        offered=offered,
        started=offered,
        completed=offered,
        failed=0,
        dropped=0,
        abandoned=0,
        in_flight=0,
        users=1,
        asked_rate=asked_rate,
        response_time_p50_seconds=None,
        response_time_p95_seconds=None,
        response_time_p99_seconds=None,
        schedule_lag_p99_seconds=None,
        schedule_lag_max_seconds=None,
        response_times={},
        schedule_lags={},
        replica_requests={},
        phase="load",
    )
