"""The sampler and the watcher on the embedded swarm: real processes, really measured, over the real wire."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections import defaultdict
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

SAMPLE = """
import gevent.monkey
gevent.monkey.patch_all()
import json, sys, time
import gevent
import msgspec
import requests
from swarm_ext.sampler import Sampler
from swarm_ext.service_watch import ServiceWatcher
from swarm_ext.swarm.local_swarm import LocalSwarm

def call_forever(url):
    with requests.Session() as session:
        while True:
            session.get(url, timeout=30)

containers, nodes, services = [], [], []
swarm = LocalSwarm(replicas=2, cpu_limit_cores=0.2)
try:
    sampler = Sampler("run", swarm.nodes, on_samples=containers.extend, on_node_samples=nodes.extend)
    watcher = ServiceWatcher("run", swarm, "web", on_samples=services.extend)
    sampler.start()
    watcher.start()
    callers = [gevent.spawn(call_forever, swarm.url + "/primecheck") for _ in range(4)]
    gevent.sleep(4.0)
    swarm.scale("web", 3)
    deadline = time.monotonic() + 120
    while services[-1].running < 3 or len({sample.container_id for sample in containers}) < 3:
        assert time.monotonic() < deadline, services[-1]
        gevent.sleep(0.1)
    gevent.sleep(4.0)
    alive = [task.container_id for task in swarm.service("web").tasks if task.state == "running"]
    stale = [container_id for container_id in alive if sampler.is_stale(container_id)]
    gevent.killall(callers)
    sampler.stop()
    watcher.stop()
finally:
    swarm.close()
print(json.dumps({
    "containers": msgspec.to_builtins(containers), "nodes": msgspec.to_builtins(nodes),
    "services": msgspec.to_builtins(services), "alive": alive, "stale": stale,
    "troubles": msgspec.to_builtins(sampler.troubles() + watcher.troubles()),
}))
"""


@pytest.fixture(scope="module")
def sampled() -> dict[str, Any]:
    process = subprocess.run(
        [sys.executable, "-c", SAMPLE],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert process.returncode == 0, process.stderr
    said: dict[str, Any] = json.loads(process.stdout)
    return said


def series(sampled: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    by_container: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for sample in sampled["containers"]:
        by_container[sample["container_id"]].append(sample)
    return by_container


def gaps(samples: list[dict[str, Any]]) -> list[float]:
    times = [datetime.fromisoformat(sample["timestamp"]) for sample in samples]
    return [(after - before).total_seconds() for before, after in itertools.pairwise(times)]


def test_every_replica_is_sampled_as_what_it_is(sampled: dict[str, Any]) -> None:
    assert len(sampled["alive"]) == 3
    assert set(sampled["alive"]) <= series(sampled).keys()
    assert sampled["stale"] == []
    assert {sample["service"] for sample in sampled["containers"]} == {"web"}
    assert {samples[0]["slot"] for samples in series(sampled).values()} == {1, 2, 3}
    assert {sample["cpu_limit_cores"] for sample in sampled["containers"]} == {0.2}
    assert {sample["memory_limit_bytes"] for sample in sampled["containers"]} == {None}


def test_points_come_about_once_a_second_and_each_once(sampled: dict[str, Any]) -> None:
    for samples in series(sampled).values():
        assert len({sample["timestamp"] for sample in samples}) == len(samples)
        assert all(gap > 0 for gap in gaps(samples))
    longest = max(series(sampled).values(), key=len)
    assert len(longest) >= 5
    assert sum(gaps(longest)) / len(gaps(longest)) == pytest.approx(1.0, abs=0.5)


def test_rates_are_those_of_replicas_at_their_limit(sampled: dict[str, Any]) -> None:
    for samples in series(sampled).values():
        assert samples[0]["cpu_usage_cores"] is None
    # a replica's start is charged to it later: until then it may use more
    steady = [sample for samples in series(sampled).values() for sample in samples[3:]]
    rates = [sample["cpu_usage_cores"] for sample in steady if sample["cpu_usage_cores"] is not None]
    assert rates
    assert all(0 <= rate < 0.6 for rate in rates)
    assert max(rates) > 0.05
    assert all(samples[-1]["memory_usage_bytes"] > 1_000_000 for samples in series(sampled).values())


def test_the_node_is_sampled_beside_its_containers(sampled: dict[str, Any]) -> None:
    assert len(sampled["nodes"]) >= 5
    last = sampled["nodes"][-1]
    assert last["cores"] >= 1
    assert 0 < last["cpu_usage_cores"] <= last["cores"] * 1.2
    assert 0 < last["memory_usage_bytes"] < last["memory_capacity_bytes"]
    assert abs(last["clock_offset_seconds"]) < 2.0


def test_the_watcher_saw_the_service_grow(sampled: dict[str, Any]) -> None:
    desired = [sample["desired"] for sample in sampled["services"]]
    assert desired == sorted(desired)
    assert (desired[0], desired[-1]) == (2, 3)
    assert sampled["services"][-1]["running"] == 3


def test_nothing_failed_meanwhile(sampled: dict[str, Any]) -> None:
    assert sampled["troubles"] == []
