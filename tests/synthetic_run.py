"""Runs that never happened, record by record as a real one would leave them: seeded, so always the same.

A service whose replicas have half a core each and spend 30 ms of it on a request is offered Poisson load that steps from
10/s to 40/s and back; it is scaled 1 → 2 → 4 and back, one container crashes and is replaced, and a few requests fail
while replicas are stopped.
"""

import random
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from swarm_ext import histogram
from swarm_ext.model import (
    ArrivalCheck,
    ArrivalProcessRecord,
    ContainerSample,
    LoadSample,
    NodeSample,
    PhaseSpan,
    Record,
    Run,
    ScalingDecision,
    ServiceSample,
    Task,
    Totals,
    Trouble,
)
from swarm_ext.store import Store

START = datetime(2026, 3, 14, 9, 26, 53, 250_000, tzinfo=UTC)
CPU_SECONDS_A_REQUEST = 0.03
LIMIT_CORES = 0.5
TARGET = 0.6
MEMORY_LIMIT_BYTES = 256_000_000
CLOCK_OFFSETS = {"node-1": 0.0, "node-2": 0.8}


@dataclass(frozen=True)
class Scenario:
    """What a run looks like. `steps`: (second since the load began, arrivals a second)."""

    run_id: str = "20260314-092653-3f2a"
    seed: int = 42
    service: str = "web"
    warm_up: int = 5
    load: int = 95
    settle: int = 25
    steps: tuple[tuple[int, float], ...] = ((0, 10.0), (25, 40.0), (55, 10.0))
    # (second of the decision, replicas wanted)
    scaling: tuple[tuple[int, int], ...] = ((30, 2), (35, 4), (80, 2), (105, 1))
    ready_after: float = 3.0
    crash_at: float | None = 45.0
    lag_seconds: float = 0.001
    initial: int = 1
    swarm: str = "local"

    @property
    def end(self) -> int:
        """Seconds from the first arrival to the last sample."""
        return self.warm_up + self.load + self.settle

    def rate(self, second: float) -> float:
        """Asked arrivals a second, at a second since the load began; 0 once it has ended."""
        if second >= self.warm_up + self.load:
            return 0.0
        return [rate for at, rate in self.steps if at <= second][-1]


@dataclass(frozen=True)
class SyntheticRun:
    """A run and its records, in order of time within each kind."""

    run: Run
    records: tuple[Record, ...]

    def write(self, store: Store) -> Run:
        """Put everything into a store."""
        store.put_run(self.run)
        store.write(self.records)
        return self.run


@dataclass
class _Replica:
    slot: int
    container_id: str
    node: str
    created: float
    ready_at: float
    stopped: float = 1e9
    cpu_seconds: float = 0.0
    memory_bytes: float = 35e6
    stats: list[tuple[float, float, float]] = field(default_factory=list)

    def runs(self, t: float) -> bool:
        return self.created <= t < self.stopped

    def is_ready(self, t: float) -> bool:
        return self.ready_at <= t < self.stopped


def moment(second: float) -> datetime:
    """Return the instant that is so many seconds after the load began."""
    return START + timedelta(seconds=round(second, 3))


def synthetic_run(scenario: Scenario | None = None, **changes: Any) -> SyntheticRun:
    """Return a run as `scenario` describes it, with `changes` to it."""
    scenario = replace(scenario or Scenario(), **changes)
    rng = random.Random(scenario.seed)
    replicas = _replicas(scenario)
    loads = _load(scenario, replicas, rng)
    records: list[Record] = [
        *loads,
        *_containers(scenario, replicas, rng),
        *_nodes(scenario, replicas),
        *_services(scenario, replicas),
        *_decisions(scenario),
    ]
    return SyntheticRun(_run(scenario, loads, rng), tuple(records))


def _replicas(scenario: Scenario) -> list[_Replica]:
    def new(slot: int, created: float, ready_at: float) -> _Replica:
        digest = sha256(f"{scenario.seed}.{slot}.{created}".encode()).hexdigest()
        return _Replica(slot, digest, f"node-{1 + (slot - 1) % 2}", created, ready_at)

    every = [new(slot, -20.0, -15.0) for slot in range(1, scenario.initial + 1)]
    count = scenario.initial
    for at, wanted in scenario.scaling:
        every += [
            new(slot, at + 1.0, at + 1.0 + scenario.ready_after) for slot in range(count + 1, wanted + 1)
        ]
        for slot in range(wanted + 1, count + 1):
            next(r for r in every if r.slot == slot and r.runs(at)).stopped = at + 0.5
        count = wanted
    victims = [r for r in every if scenario.crash_at and r.slot > 1 and r.is_ready(scenario.crash_at)]
    for victim in victims[:1]:
        at = scenario.crash_at or 0.0
        successor = new(victim.slot, at + 1.0, at + 1.0 + scenario.ready_after)
        victim.stopped, successor.stopped = at, victim.stopped
        every.append(successor)
    return every


def _poisson(rng: random.Random, mean: float) -> int:
    count, time = 0, rng.expovariate(1.0)
    while time < mean:
        count, time = count + 1, time + rng.expovariate(1.0)
    return count


def _load(scenario: Scenario, replicas: list[_Replica], rng: random.Random) -> list[LoadSample]:
    samples, backlog, lag_max = [], 0.0, 0.0
    for second in range(scenario.end):
        rate = scenario.rate(second)
        ready = [r for r in replicas if r.is_ready(second)]
        capacity = len(ready) * LIMIT_CORES / CPU_SECONDS_A_REQUEST
        offered = _poisson(rng, rate)
        ended = min(int(backlog) + offered, int(capacity))
        backlog = max(0.0, backlog + offered - ended)
        stopped = sum(r.stopped <= second < r.stopped + 1 for r in replicas if r.stopped < 1e9)
        failed = min(ended, 2 * stopped)
        lags = [rng.expovariate(1 / scenario.lag_seconds) for _ in range(offered)]
        load_factor = min(0.97, rate / max(capacity, 1e-9))
        mean = 0.04 / (1 - load_factor) * 0.6 + backlog / max(capacity, 1.0)
        durations = [mean * rng.lognormvariate(-0.1, 0.45) for _ in range(ended)]
        times = Counter(histogram.bucket(duration) for duration in durations[failed:])
        shared = (
            Counter(r.container_id[:12] for r in rng.choices(ready, k=ended - failed)) if ready else Counter()
        )
        for replica in ready:
            busy = min(LIMIT_CORES, (ended / len(ready)) * CPU_SECONDS_A_REQUEST)
            replica.stats.append((second, busy, 0.0))
        lag_max = max([lag_max, *lags])
        lag_histogram = dict(Counter(histogram.bucket(lag) for lag in lags))
        samples.append(
            LoadSample(
                run_id=scenario.run_id,
                timestamp=moment(second),
                offered=offered,
                started=offered,
                completed=ended - failed,
                failed=failed,
                dropped=0,
                abandoned=0,
                in_flight=int(backlog),
                users=2 if rate else 0,
                asked_rate=rate,
                response_time_p50_seconds=histogram.quantile(times, 0.5),
                response_time_p95_seconds=histogram.quantile(times, 0.95),
                response_time_p99_seconds=histogram.quantile(times, 0.99),
                schedule_lag_p99_seconds=histogram.quantile(lag_histogram, 0.99),
                schedule_lag_max_seconds=max(lags, default=None),
                response_times=dict(times),
                schedule_lags=lag_histogram,
                replica_requests=dict(shared),
                phase=_phase(scenario, second),
            )
        )
    return samples


def _phase(scenario: Scenario, second: float) -> Any:
    if second < scenario.warm_up:
        return "warm-up"
    return "load" if second < scenario.warm_up + scenario.load else "settle"


def _containers(scenario: Scenario, replicas: list[_Replica], rng: random.Random) -> list[ContainerSample]:
    samples = []
    for replica in replicas:
        busy = {int(second): cores for second, cores, _ in replica.stats}
        before: float | None = None
        t = max(replica.created, -2.0) + rng.uniform(0.1, 0.9)
        while t < min(replica.stopped, scenario.end):
            starting = replica.created >= 0 and t < replica.ready_at
            cores = LIMIT_CORES if starting else busy.get(int(t), 0.0) + rng.uniform(0.002, 0.01)
            cores = min(cores * rng.uniform(0.97, 1.03), LIMIT_CORES * 1.02)
            gap = 0.0 if before is None else t - before
            replica.cpu_seconds += cores * gap
            replica.memory_bytes += rng.uniform(0, 120_000)
            samples.append(
                ContainerSample(
                    run_id=scenario.run_id,
                    timestamp=moment(t + CLOCK_OFFSETS[replica.node]),
                    node=replica.node,
                    service=scenario.service,
                    slot=replica.slot,
                    container_id=replica.container_id,
                    container_name=f"{scenario.service}.{replica.slot}.{replica.container_id[:8]}",
                    cpu_usage_seconds=replica.cpu_seconds,
                    cpu_usage_cores=None if before is None else cores,
                    cpu_limit_cores=LIMIT_CORES,
                    throttled_seconds=0.0,
                    memory_usage_bytes=int(replica.memory_bytes),
                    memory_working_set_bytes=int(replica.memory_bytes * 0.9),
                    memory_limit_bytes=MEMORY_LIMIT_BYTES,
                    network_rx_bytes=None,
                    network_tx_bytes=None,
                )
            )
            before, t = t, t + rng.choice((1.0, 1.0, 1.3))
    return sorted(samples, key=lambda sample: sample.timestamp)


def _nodes(scenario: Scenario, replicas: list[_Replica]) -> list[NodeSample]:
    return [
        NodeSample(
            run_id=scenario.run_id,
            timestamp=moment(second),
            node=node,
            cores=2.0,
            cpu_usage_cores=0.2 + 0.4 * sum(r.is_ready(second) and r.node == node for r in replicas),
            memory_usage_bytes=1_500_000_000,
            memory_capacity_bytes=4_000_000_000,
            clock_offset_seconds=offset,
        )
        for second in range(scenario.end)
        for node, offset in CLOCK_OFFSETS.items()
    ]


def _services(scenario: Scenario, replicas: list[_Replica]) -> list[ServiceSample]:
    changes = [at + 0.2 for at, _ in scenario.scaling]
    changes += [t for r in replicas for t in (r.created, r.ready_at, r.stopped) if 0 <= t < scenario.end]
    samples = []
    for t in sorted({*map(float, range(-2, scenario.end)), *changes}):
        desired = [scenario.initial, *(wanted for at, wanted in scenario.scaling if at + 0.2 <= t)][-1]
        alive = [r for r in replicas if r.runs(t)]
        samples.append(
            ServiceSample(
                run_id=scenario.run_id,
                timestamp=moment(t),
                service=scenario.service,
                desired=desired,
                running=len(alive),
                ready=sum(r.is_ready(t) for r in alive),
                pending=max(0, desired - len(alive)),
                update_state=None,
                tasks=tuple(
                    Task(
                        id=f"task-{r.container_id[:6]}",
                        slot=r.slot,
                        node=r.node,
                        container_id=r.container_id,
                        state="running",
                        desired_state="running",
                        ready=r.is_ready(t),
                        since=moment(max(r.created, -20)),
                    )
                    for r in alive
                ),
            )
        )
    return samples


def _decisions(scenario: Scenario) -> list[ScalingDecision]:
    decisions, replicas = [], scenario.initial
    acts = dict(scenario.scaling)
    for second in range(0, scenario.end, 5):
        wanted = acts.get(second, replicas)
        used = min(1.0, scenario.rate(second) * CPU_SECONDS_A_REQUEST / LIMIT_CORES / replicas)
        at_least = "at least " if used >= 0.95 else ""
        reason = f"CPU is {at_least}{used:.0%} of the limit of {replicas}, target {TARGET:.0%}: "
        reason += f"{replicas} → {wanted}" if wanted != replicas else "within the tolerance, hold"
        decisions.append(
            ScalingDecision(
                run_id=scenario.run_id,
                timestamp=moment(second),
                id=f"d{second:04}",
                service=scenario.service,
                applied_at=moment(second + 0.2) if wanted != replicas else None,
                before=replicas,
                desired=wanted,
                applied=wanted if wanted != replicas else None,
                metric="cpu utilisation",
                value=used,
                target=TARGET,
                reason=reason,
            )
        )
        replicas = wanted
    return decisions


def _run(scenario: Scenario, loads: list[LoadSample], rng: random.Random) -> Run:
    offered = sum(s.offered for s in loads)
    completed, failed = sum(s.completed for s in loads), sum(s.failed for s in loads)
    lags = histogram.merge(s.schedule_lags for s in loads)
    begin, end = scenario.warm_up, scenario.warm_up + scenario.load
    uniforms = Counter(int(rng.random() * 1000) for _ in range(offered))
    phases = [
        PhaseSpan(name="warm-up", start=moment(0), end=moment(begin)),
        PhaseSpan(name="load", start=moment(begin), end=moment(end)),
        PhaseSpan(name="settle", start=moment(end), end=moment(scenario.end)),
    ]
    return Run(
        id=scenario.run_id,
        start=moment(-3),
        end=moment(scenario.end),
        host="http://127.0.0.1:8080",
        locustfile="locustfiles/demo.py",
        swarm=scenario.swarm,
        service=scenario.service,
        arrival_process=ArrivalProcessRecord(kind="poisson", description="Poisson(λ = 5/s)", rate=5.0),
        seed=scenario.seed,
        schedule_hash="9f86d081884c7d65",
        options={"lamb": 5.0, "autoscale": "target-utilisation", "target": TARGET, "max_replicas": 4},
        tags={"branch": "main"},
        versions={"swarm-ext": "0.1.0", "locust": "2.47.0", "python": "3.11.2"},
        phases=tuple(p for p in phases if p.end and p.end > p.start),
        totals=Totals(
            offered=offered,
            completed=completed,
            failed=failed,
            dropped=0,
            abandoned=offered - completed - failed,
            response_times=histogram.merge(s.response_times for s in loads),
            schedule_lags=lags,
            schedule_lag_max_seconds=max((s.schedule_lag_max_seconds or 0.0 for s in loads), default=None),
        ),
        arrival_check=ArrivalCheck(
            observed=offered,
            expected=float(sum(scenario.rate(s) for s in range(scenario.end))),
            uniforms=tuple(uniforms[i] for i in range(1000)),
        ),
        workers=0,
        troubles=(Trouble(source="sampler node-2", count=2, message="no answer within 2 s"),),
        exit_status="finished",
    )
