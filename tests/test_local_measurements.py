"""What the embedded swarm's node remembers, and how it is written in cAdvisor's JSON."""

import json
import os
import time
from datetime import UTC, datetime

import psutil
import pytest

from swarm_ext.swarm.local_cadvisor import (
    Container,
    InfoRequest,
    container_info,
    decode_request,
    machine_container_info,
    timestamp,
)
from swarm_ext.swarm.local_measurements import Point, Recorder, Window, measure_machine, measure_process
from swarm_ext.swarm.local_replica import Report

SECOND = 1_000_000_000
BEGIN = 1_700_000_000 * SECOND


def point(second: float, *, cpu_seconds: float = 0.0, report: Report | None = None) -> Point:
    return Point(
        timestamp_ns=BEGIN + round(second * SECOND),
        cpu_total_ns=round(cpu_seconds * SECOND),
        cpu_user_ns=0,
        cpu_system_ns=0,
        memory_usage_bytes=10_000_000,
        memory_working_set_bytes=9_000_000,
        report=report or Report(),
    )


def seconds(points: list[Point]) -> list[float]:
    return [(p.timestamp_ns - BEGIN) / SECOND for p in points]


def test_points_older_than_two_minutes_are_forgotten() -> None:
    window = Window()
    for second in range(300):
        window.add(point(second))
    assert seconds(window.between(None, None, -1)) == list(range(179, 300))


def test_start_and_end_are_inclusive_and_the_newest_are_kept() -> None:
    window = Window()
    for second in range(10):
        window.add(point(second))
    assert seconds(window.between(BEGIN + 3 * SECOND, BEGIN + 6 * SECOND, -1)) == [3, 4, 5, 6]
    assert seconds(window.between(BEGIN + 3 * SECOND, None, 2)) == [8, 9]
    assert seconds(window.between(None, BEGIN + 2 * SECOND, 60)) == [0, 1, 2]
    assert window.between(None, None, 0) == []


def test_timestamps_have_nanoseconds() -> None:
    assert timestamp(BEGIN + SECOND + 999) == "2023-11-14T22:13:21.000000999Z"


def test_a_request_has_the_defaults_of_cadvisor() -> None:
    assert decode_request(b"") == decode_request(b"{}") == InfoRequest(num_stats=60, start=None, end=None)
    asked = decode_request(
        b'{"num_stats":-1,"start":"2023-11-14T22:13:20.5+00:00","end":"0001-01-01T00:00:00Z","unknown":1}'
    )
    assert (asked.num_stats, asked.start_ns, asked.end_ns) == (-1, BEGIN + SECOND // 2, None)


def test_a_replica_that_is_gone_takes_its_history_with_it() -> None:
    recorder = Recorder()
    recorder.measure({"a": (os.getpid(), Report()), "b": (os.getpid(), Report())})
    assert len(recorder.replica("a", None, None, -1)) == 1
    recorder.measure({"b": (os.getpid(), Report())})
    assert recorder.replica("a", None, None, -1) == []
    assert len(recorder.replica("b", None, None, -1)) == 2
    assert len(recorder.machine(None, None, -1)) == 2


def test_the_measured_cpu_and_memory_are_the_systems_own() -> None:
    end = time.process_time() + 0.3
    while time.process_time() < end:
        pass
    before = time.process_time_ns()
    measured = measure_process(os.getpid(), Report(rx_bytes=7))
    assert measured is not None
    assert before <= measured.cpu_total_ns <= time.process_time_ns()
    assert (measured.cpu_user_ns + measured.cpu_system_ns) / 1e9 == pytest.approx(
        before / 1e9, abs=0.03, rel=0.03
    )
    assert measured.memory_usage_bytes == pytest.approx(psutil.Process().memory_info().rss, rel=0.1)
    assert measured.report.rx_bytes == 7
    machine = measure_machine()
    assert machine.cpu_total_ns > measured.cpu_total_ns
    assert 0 < machine.memory_working_set_bytes < psutil.virtual_memory().total


def test_a_process_that_has_ended_is_not_measured() -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    assert measure_process(child, Report()) is None


def container(cpu_limit_cores: float | None) -> Container:
    return Container(
        id="ab" * 32,
        task_id="t1",
        slot=2,
        service="web",
        node="local",
        created=datetime(2023, 11, 14, tzinfo=UTC),
        cpu_limit_cores=cpu_limit_cores,
    )


def test_a_replica_is_written_as_cadvisor_writes_a_container() -> None:
    report = Report(ready=True, rx_bytes=5, tx_bytes=6, periods=9, throttled_periods=3, throttled_ns=123)
    info = json.loads(json.dumps(container_info(container(0.25), [point(1, cpu_seconds=2, report=report)])))
    assert info["name"] == "/docker/" + "ab" * 32
    assert info["aliases"][0] == "web.2.t1"
    assert info["spec"]["labels"]["com.docker.swarm.service.name"] == "web"
    assert info["spec"]["labels"]["com.docker.swarm.task.name"] == "web.2.t1"
    assert info["spec"]["cpu"]["quota"] / info["spec"]["cpu"]["period"] == 0.25
    (stats,) = info["stats"]
    assert stats["timestamp"] == "2023-11-14T22:13:21.000000000Z"
    assert stats["cpu"]["usage"]["total"] == 2 * SECOND
    assert stats["cpu"]["cfs"] == {"periods": 9, "throttled_periods": 3, "throttled_time": 123}
    assert (stats["memory"]["usage"], stats["memory"]["working_set"]) == (10_000_000, 9_000_000)
    assert stats["network"]["interfaces"] == [{"name": "eth0", "rx_bytes": 5, "tx_bytes": 6}]


def test_a_replica_without_a_cpu_limit_has_no_quota() -> None:
    assert "quota" not in container_info(container(None), [])["spec"]["cpu"]


def test_the_machine_is_written_as_the_container_of_all_containers() -> None:
    info = machine_container_info(4, 2**33, ["/docker/a"], [point(1, cpu_seconds=3)])
    assert (info["name"], info["subcontainers"]) == ("/", [{"name": "/docker/a"}])
    assert info["spec"]["memory"]["limit"] == 2**33
    assert info["stats"][0]["cpu"]["usage"]["total"] == 3 * SECOND
    assert "network" not in info["stats"][0]
