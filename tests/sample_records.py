"""One record of every kind, with the values that are awkward to store, and runs to put them under."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

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

START = datetime(2026, 11, 22, 1, 47, 5, 123456, tzinfo=UTC)
RUN_ID = "20261122-014705-7f3a"


def a_run(run_id: str = RUN_ID, start: datetime = START) -> Run:
    return Run(id=run_id, start=start)


def a_full_run() -> Run:
    return Run(
        id=RUN_ID,
        start=START,
        end=START + timedelta(seconds=90, microseconds=1),
        host="http://[::1]:8080/prüfung?q='",
        locustfile="locustfiles/poisson.py",
        swarm="local",
        service="web",
        arrival_process=ArrivalProcessRecord(kind="poisson", description="Poisson(rate=20.0)", rate=20.0),
        seed=2**64 - 1,
        schedule_hash="sha256:00ff",
        options={"lamb": 20.0, "closed": False, "iter": None, "tags": ["a", "b"], "nested": {"ü": 1}},
        tags={"ticket": "∑ 42"},
        versions={"locust": "2.47"},
        phases=(
            PhaseSpan(name="warm-up", start=START, end=START + timedelta(seconds=10)),
            PhaseSpan(name="load", start=START + timedelta(seconds=10), end=None),
        ),
        totals=Totals(
            offered=500, completed=490, failed=5, dropped=3, abandoned=2,
            response_times={0: 1, 1250: 489}, schedule_lags={700: 500}, schedule_lag_max_seconds=0.0021,
        ),
        arrival_check=ArrivalCheck(observed=500, expected=498.2, uniforms=(250, 250)),
        workers=2,
        troubles=(Trouble(source="sampler", count=3, message="node-2 did not answer"),),
        exit_status="finished",
    )  # fmt: skip


def a_container_sample(number: int = 0, run_id: str = RUN_ID) -> ContainerSample:
    return ContainerSample(
        run_id=run_id,
        timestamp=START + timedelta(milliseconds=number),
        node="node-1",
        service="web",
        slot=1,
        container_id="c0ffee",
        container_name="/docker/c0ffee",
        cpu_usage_seconds=0.1 + number,
        cpu_usage_cores=0.25,
        cpu_limit_cores=0.25,
        throttled_seconds=1e-9,
        memory_usage_bytes=2**53 + 1,
        memory_working_set_bytes=0,
        memory_limit_bytes=2**63 - 1,
        network_rx_bytes=1,
        network_tx_bytes=2,
    )


def an_empty_container_sample() -> ContainerSample:
    return ContainerSample(
        run_id=RUN_ID, timestamp=START.replace(microsecond=0), node="", service=None, slot=None,
        container_id="", container_name="naïve\n'; --\0", cpu_usage_seconds=None, cpu_usage_cores=None,
        cpu_limit_cores=None, throttled_seconds=None, memory_usage_bytes=None, memory_working_set_bytes=None,
        memory_limit_bytes=None, network_rx_bytes=None, network_tx_bytes=None,
    )  # fmt: skip


def one_record_of_every_kind() -> list[Record]:
    task = Task(
        id="t1", slot=None, node="node-1", container_id=None, state="running", desired_state="shutdown",
        ready=False, since=START, error="exit 137",
    )  # fmt: skip
    return [
        a_container_sample(),
        NodeSample(
            run_id=RUN_ID, timestamp=START, node="nöde", cores=2.0, cpu_usage_cores=None,
            memory_usage_bytes=5, memory_capacity_bytes=None, clock_offset_seconds=-0.004,
        ),
        LoadSample(
            run_id=RUN_ID, timestamp=START, offered=20, started=19, completed=18, failed=1, dropped=1, abandoned=0,
            in_flight=3, users=2, asked_rate=None, response_time_p50_seconds=0.1, response_time_p95_seconds=None,
            response_time_p99_seconds=float("inf"), schedule_lag_p99_seconds=0.001, schedule_lag_max_seconds=0.002,
            response_times={0: 1, 1250: 17}, schedule_lags={}, replica_requests={"c0ffee": 18, "∅": 1}, phase="warm-up",
        ),
        ServiceSample(
            run_id=RUN_ID, timestamp=START, service="web", desired=2, running=1, ready=1, pending=1,
            update_state="rollback_started", tasks=(task,),
        ),
        ScalingDecision(
            run_id=RUN_ID, timestamp=START, id="d1", service="web", applied_at=None, before=1, desired=2, applied=None,
            metric="utilisation", value=0.93, target=0.5, reason="at least 0.93 > 0.50: 1 → 2, but held",
        ),
    ]  # fmt: skip
