"""The sampler against the real cAdvisor on every node of a real swarm, judged by the kernel's own figures."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import time
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import pytest

from swarm_ext.model import ContainerSample, NodeSample, ServiceSample, Trouble
from tests.integration.bed.swarm import until
from tests.integration.docker_services import (
    BURN,
    LONGEST_GAP_SECONDS,
    cadvisors,
    converged,
    docker_swarm,
    service,
    wait_for_points,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.bed.engine import Engine
    from tests.integration.bed.swarm import Bed

ROOT = Path(__file__).resolve().parents[2]
LIMIT_CORES = 0.1
LIMIT_BYTES = 64 * 2**20


class Seen(msgspec.Struct):
    """What an observer saw."""

    containers: list[ContainerSample]
    nodes: list[NodeSample]
    services: list[ServiceSample]
    troubles: list[Trouble]

    def series(self, service: str) -> dict[str, list[ContainerSample]]:
        found: dict[str, list[ContainerSample]] = defaultdict(list)
        for sample in self.containers:
            if sample.service == service:
                found[sample.container_id].append(sample)
        return found


class Observer:
    """A running observer; `seen` ends it."""

    def __init__(self, bed: Bed, name: str, folder: Path) -> None:
        self.log = folder / "observer.log"
        environment = {**os.environ, "DOCKER_HOST": bed.manager.docker_host}
        command = [sys.executable, "-m", "tests.integration.docker_observer", name]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
            )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"begun\n", self.log.read_text()

    def seen(self) -> Seen:
        answer, _ = self.process.communicate(timeout=60)
        return msgspec.json.decode(answer, type=Seen)


@contextmanager
def observer(bed: Bed, name: str, folder: Path) -> Iterator[Observer]:
    found = Observer(bed, name, folder)
    try:
        yield found
    finally:
        found.process.kill()
        found.process.communicate()


def _gaps(samples: list[ContainerSample]) -> list[float]:
    return [(b.timestamp - a.timestamp).total_seconds() for a, b in itertools.pairwise(samples)]


class _Reading(NamedTuple):
    """Where the kernel's own counter of a container's CPU stood."""

    epoch: float
    cpu_seconds: float


def _kernels_reading(engine: Engine, container_id: str) -> _Reading:
    counter = engine.container_cgroup("cpuacct", container_id) / "cpuacct.usage"
    if counter.exists():
        return _Reading(time.time(), int(counter.read_text()) / 1e9)
    statistics = (engine.container_cgroup("cpu", container_id) / "cpu.stat").read_text().split()
    return _Reading(time.time(), int(statistics[statistics.index("usage_usec") + 1]) / 1e6)


def _at(samples: list[ContainerSample], epoch: float) -> float:
    """The CPU seconds that cAdvisor had counted at that time, straight between its points."""
    for before, after in itertools.pairwise(samples):
        begin, end = before.timestamp.timestamp(), after.timestamp.timestamp()
        if begin <= epoch <= end:
            assert before.cpu_usage_seconds is not None
            assert after.cpu_usage_seconds is not None
            share = (epoch - begin) / (end - begin)
            return before.cpu_usage_seconds + share * (after.cpu_usage_seconds - before.cpu_usage_seconds)
    raise AssertionError(f"{epoch} is not among the points")


@pytest.fixture(scope="module")
def everywhere(bed: Bed) -> Iterator[str]:
    """cAdvisor on each node, and a service of three replicas at their limit."""
    with (
        cadvisors(bed) as cadvisor,
        docker_swarm(bed) as swarm,
        service(
            bed, "burning", "--replicas=3", f"--limit-cpu={LIMIT_CORES}", "--limit-memory=64M", command=BURN
        ),
    ):
        converged(swarm, cadvisor, 3)
        converged(swarm, "burning", 3)
        wait_for_points(bed, "burning", cadvisor)
        yield "burning"


class _Measured(NamedTuple):
    seen: Seen
    readings: dict[str, tuple[_Reading, _Reading]]


@pytest.fixture(scope="module")
def measured(bed: Bed, everywhere: str, tmp_path_factory: pytest.TempPathFactory) -> _Measured:
    engines = {engine.name: engine for engine in bed.engines}
    with docker_swarm(bed) as swarm, observer(bed, everywhere, tmp_path_factory.mktemp("seen")) as watching:
        tasks = swarm.service(everywhere).tasks
        time.sleep(6)
        at = {
            t.container_id: _kernels_reading(engines[t.node], t.container_id) for t in tasks if t.container_id
        }
        time.sleep(15)
        after = {
            t.container_id: _kernels_reading(engines[t.node], t.container_id) for t in tasks if t.container_id
        }
        time.sleep(4)
        seen = watching.seen()
    return _Measured(seen, {container_id: (at[container_id], after[container_id]) for container_id in at})


def test_every_replica_on_every_node_is_sampled_as_what_it_is(measured: _Measured) -> None:
    series = measured.seen.series("burning")
    assert series.keys() == measured.readings.keys()
    assert {samples[0].slot for samples in series.values()} == {1, 2, 3}
    assert {samples[0].node for samples in series.values()} == {"node1", "node2", "node3"}
    assert {sample.cpu_limit_cores for sample in itertools.chain(*series.values())} == {LIMIT_CORES}
    assert {sample.memory_limit_bytes for sample in itertools.chain(*series.values())} == {LIMIT_BYTES}
    assert all(samples[0].container_name.startswith("burning.") for samples in series.values())


def test_no_replica_goes_unmeasured_for_long(measured: _Measured) -> None:
    for samples in measured.seen.series("burning").values():
        assert max(_gaps(samples)) < LONGEST_GAP_SECONDS
        assert min(_gaps(samples)) > 0


def test_cpu_seconds_are_the_kernels(measured: _Measured) -> None:
    for container_id, samples in measured.seen.series("burning").items():
        begin, end = measured.readings[container_id]
        kernels = end.cpu_seconds - begin.cpu_seconds
        assert _at(samples, end.epoch) - _at(samples, begin.epoch) == pytest.approx(kernels, rel=0.03)
        assert kernels > 0.5 * LIMIT_CORES * (end.epoch - begin.epoch)


def test_replicas_at_their_limit_are_throttled_and_use_memory_and_network(measured: _Measured) -> None:
    for samples in measured.seen.series("burning").values():
        first, last = samples[0], samples[-1]
        assert first.throttled_seconds is not None
        assert last.throttled_seconds is not None
        assert last.throttled_seconds > first.throttled_seconds
        assert last.memory_usage_bytes is not None
        assert 1_000_000 < last.memory_usage_bytes < LIMIT_BYTES
        assert last.network_rx_bytes is not None


def test_each_node_is_sampled_beside_its_containers(measured: _Measured) -> None:
    for name in ("node1", "node2", "node3"):
        samples = [sample for sample in measured.seen.nodes if sample.node == name]
        assert len(samples) >= 10
        last = samples[-1]
        assert last.cores == os.cpu_count()
        assert last.memory_capacity_bytes is not None
        assert last.clock_offset_seconds is not None
        assert abs(last.clock_offset_seconds) < 1.5  # the nodes have this machine's clock


def test_nothing_goes_wrong_with_healthy_nodes(measured: _Measured) -> None:
    assert measured.seen.troubles == []
    assert {sample.running for sample in measured.seen.services} == {3}


def test_a_node_that_is_drained_is_no_trouble_and_sampled_again_once_it_is_active(
    bed: Bed, everywhere: str, tmp_path: Path
) -> None:
    with docker_swarm(bed) as swarm, observer(bed, everywhere, tmp_path) as watching:
        try:
            bed.manager.docker("node", "update", "--availability", "drain", "node3")
            until(
                lambda: {task.node for task in swarm.service(everywhere).tasks} == {"node1", "node2"}, "moved"
            )
            converged(swarm, everywhere, 3)
            drained = time.time()
            time.sleep(4)
            assert watching.log.read_text() == ""  # its cAdvisor has ended with it, and nobody minds
        finally:
            bed.manager.docker("node", "update", "--availability", "active", "node3")
        active = time.time()
        converged(swarm, "cadvisor", 3)
        wait_for_points(bed, "cadvisor")
        time.sleep(
            6
        )  # nodes are asked for every 2 s, and cAdvisors every second; the end waits for a last answer
        seen = watching.seen()
    moments = [sample.timestamp.timestamp() for sample in seen.nodes if sample.node == "node3"]
    assert not [moment for moment in moments if drained + 3 < moment < active]
    assert [moment for moment in moments if moment > active]
    # while its new cAdvisor starts nobody answers there; nothing else may go wrong
    assert {trouble.source for trouble in seen.troubles} <= {"cAdvisor of node3"}
    last = seen.services[-1]
    assert {task.node for task in last.tasks} == {"node1", "node2"}
    assert {task.container_id for task in last.tasks} <= seen.series(everywhere).keys()


def test_a_cadvisor_that_is_cut_off_is_told_once_and_its_points_come_later(
    bed: Bed, everywhere: str, tmp_path: Path
) -> None:
    rule = ("PREROUTING", "-t", "raw", "-p", "tcp", "--dport", "70", "-j", "DROP")
    host = bed.engines[1].host
    with docker_swarm(bed) as swarm, observer(bed, everywhere, tmp_path) as watching:
        (cut_off,) = [task.container_id for task in swarm.service(everywhere).tasks if task.node == "node2"][
            :1
        ]
        time.sleep(3)
        host.run("iptables", "-w", "-I", *rule)
        began = time.time()
        try:
            until(lambda: "cAdvisor of node2" in watching.log.read_text(), "it is told")
            time.sleep(5)
        finally:
            host.run("iptables", "-w", "-D", *rule)
        until(lambda: "works again" in watching.log.read_text(), "it works again")
        seen = watching.seen()
    assert cut_off is not None
    samples = seen.series(everywhere)[cut_off]
    assert max(_gaps(samples)) < LONGEST_GAP_SECONDS
    assert [sample for sample in samples if began + 1 < sample.timestamp.timestamp() < began + 5]
    assert watching.log.read_text().count("cAdvisor of node2") == 2
    assert {trouble.source for trouble in seen.troubles} == {"cAdvisor of node2"}
