"""A run against a real swarm: load from outside it, replicas that follow, samples and decisions in MongoDB."""

from __future__ import annotations

import contextlib
import itertools
import re
import threading
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from swarm_ext.model import ContainerSample, LoadSample, ScalingDecision, ServiceSample
from swarm_ext.store import open_store
from tests.integration.bed.images import WEB
from tests.integration.bench import LOCUSTFILES, LocustProcess
from tests.integration.docker_services import LONGEST_GAP_SECONDS
from tests.integration.shop import SERVICE, Shop, deployed_shop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from swarm_ext.model import Run
    from tests.integration.bed.engine import Engine
    from tests.integration.bed.swarm import Bed

QUICK = (
    "--autoscale", "target-utilisation", "--autoscale-interval", "2", "--autoscale-window", "8",
    "--scale-in-stabilization", "8", "--replica-warm-up", "4", "--min-replicas", "1", "--max-replicas", "4",
)  # fmt: skip


@pytest.fixture(scope="module")
def shop(bed: Bed) -> Iterator[Shop]:
    with deployed_shop(bed) as it:
        yield it


class KernelWatch(threading.Thread):
    """Reads the counter of every container of a node for as long as it may."""

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self._engine = engine
        self._end = threading.Event()
        self.readings: dict[str, list[tuple[float, float]]] = defaultdict(list)

    def run(self) -> None:
        while not self._end.wait(0.25):
            for counter in self._engine.container_cgroup("cpuacct", "").glob("*/cpuacct.usage"):
                with contextlib.suppress(OSError):  # the container has just ended
                    used = int(counter.read_text()) / 1e9
                    self.readings[counter.parent.name].append((time.time(), used))

    def end(self) -> None:
        self._end.set()
        self.join()


@dataclass(frozen=True)
class Watched:
    """A finished run, with what was seen of it from outside."""

    run: Run
    services: list[ServiceSample]
    containers: list[ContainerSample]
    decisions: list[ScalingDecision]
    load: list[LoadSample]
    kernel: dict[str, list[tuple[float, float]]]
    output: str
    report: str

    def series(self) -> dict[str, list[ContainerSample]]:
        by_container: dict[str, list[ContainerSample]] = defaultdict(list)
        for sample in self.containers:
            if sample.service == SERVICE:
                by_container[sample.container_id].append(sample)
        return by_container


@pytest.fixture(scope="module")
def watched(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Watched:
    folder = tmp_path_factory.mktemp("docker-run")
    kernel = KernelWatch(shop.bed.engines[1])
    kernel.start()
    try:
        locust = shop.locust(
            folder, "-u", "2", "--lamb", "9", "-t", "40s", "--settle", "35", "--initial-replicas", "1",
            "--seed", "4", "--report", "report.html", *QUICK,
        )  # fmt: skip
        ended = locust.end(200)
    finally:
        kernel.end()
    assert ended.code == 0, ended.output
    store = open_store(shop.store, must_exist=True)
    try:
        run = store.run("latest")
        return Watched(
            run,
            list(store.read(run.id, ServiceSample)),
            list(store.read(run.id, ContainerSample)),
            list(store.read(run.id, ScalingDecision)),
            list(store.read(run.id, LoadSample)),
            dict(kernel.readings),
            ended.output,
            (folder / "report.html").read_text(),
        )
    finally:
        store.close()


def test_replicas_go_up_under_load_and_down_again_after_it(watched: Watched) -> None:
    (load,) = [phase for phase in watched.run.phases if phase.name == "load"]
    (settle,) = [phase for phase in watched.run.phases if phase.name == "settle"]
    during = [sample.ready for sample in watched.services if load.start <= sample.timestamp <= load.end]
    assert during[0] == 1
    assert max(during) >= 3
    assert settle.end is not None
    after = [sample.running for sample in watched.services if settle.start <= sample.timestamp <= settle.end]
    assert min(after) < max(during)
    assert any(d.applied is not None and d.applied > d.before for d in watched.decisions)
    assert any(d.applied is not None and d.applied < d.before for d in watched.decisions)


def test_the_replicas_are_spread_over_several_nodes(watched: Watched) -> None:
    nodes = {task.node for sample in watched.services for task in sample.tasks if task.state == "running"}
    assert nodes >= {"node2", "node3"}


def test_no_running_task_is_restarted_by_scaling(watched: Watched) -> None:
    tasks = {task.id for sample in watched.services for task in sample.tasks if task.container_id is not None}
    at_first = {task.id for task in watched.services[0].tasks}
    asked_for = [d.applied - d.before for d in watched.decisions if d.applied is not None]
    assert len(tasks - at_first) <= sum(more for more in asked_for if more > 0)
    assert not any(task.state == "failed" for sample in watched.services for task in sample.tasks)
    assert not any("failed" in sample.tasks for sample in watched.services)


def test_every_replica_has_samples_without_a_gap_while_it_lives(watched: Watched) -> None:
    lived: dict[str, int] = defaultdict(int)
    for sample in watched.services:
        for task in sample.tasks:
            if task.state == "running" and task.container_id is not None:
                lived[task.container_id] += 1
    series = watched.series()
    assert len(series) >= 3
    for container_id, seconds in lived.items():
        if seconds < 8:
            continue  # hardly there before it was scaled in again
        times = [sample.timestamp.timestamp() for sample in series[container_id]]
        gaps = [after - before for before, after in itertools.pairwise(times)]
        assert max(gaps) <= LONGEST_GAP_SECONDS, (container_id, max(gaps))


def test_the_cpu_seconds_are_those_of_the_kernels_own_counter(watched: Watched) -> None:
    compared = 0
    for container_id, samples in watched.series().items():
        kernel = watched.kernel.get(container_id, [])
        inside = [s for s in samples if kernel and kernel[0][0] < s.timestamp.timestamp() < kernel[-1][0]]
        if not inside or (inside[-1].timestamp - inside[0].timestamp).total_seconds() < 30:
            continue
        ours = inside[-1].cpu_usage_seconds - inside[0].cpu_usage_seconds
        theirs = _at(kernel, inside[-1].timestamp.timestamp()) - _at(kernel, inside[0].timestamp.timestamp())
        assert ours == pytest.approx(theirs, rel=0.02), container_id
        compared += 1
    assert compared >= 1


def _at(readings: list[tuple[float, float]], moment: float) -> float:
    """Interpolate the counter between the readings around a moment."""
    for (t0, v0), (t1, v1) in itertools.pairwise(readings):
        if t0 <= moment <= t1:
            return v0 + (v1 - v0) * (moment - t0) / (t1 - t0)
    raise AssertionError(f"no reading around {moment}")


def test_the_limits_are_those_of_the_services_specification(watched: Watched) -> None:
    assert {sample.cpu_limit_cores for samples in watched.series().values() for sample in samples} == {0.25}


def test_the_report_is_made_from_what_mongodb_holds(watched: Watched) -> None:
    assert SERVICE in watched.report
    assert watched.run.id in watched.report
    assert "docker" in watched.report
    assert watched.run.totals is not None
    assert sum(sample.offered for sample in watched.load) == watched.run.totals.offered
    assert not re.search(r"Traceback|trouble", watched.output)


def test_the_initial_replicas_are_put_back_at_the_end(watched: Watched, shop: Shop) -> None:
    assert shop.bed.service(SERVICE)["Spec"]["Mode"]["Replicated"]["Replicas"] == 2
    assert shop.bed.service(SERVICE)["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"].startswith(
        WEB.split(":")[0]
    )


def test_locust_may_be_spread_over_machines(shop: Shop, tmp_path: Path) -> None:
    bed = shop.bed
    master_host, *worker_hosts = (bed.load_host(name) for name in ("m", "w1", "w2"))
    locustfile = LOCUSTFILES / "poisson.py"
    environment = {"DOCKER_HOST": bed.manager.docker_host}
    master = LocustProcess(
        tmp_path, locustfile, "--master", "--headless", "--only-summary", "--expect-workers", "2", *shop.options(),
        "-u", "4", "--lamb", "4", "-t", "25s", "--settle", "5", *QUICK, environment=environment, host=master_host,
    )  # fmt: skip
    workers = []
    for index, host in enumerate(worker_hosts):
        folder = tmp_path / f"worker{index}"
        folder.mkdir()
        workers.append(
            LocustProcess(folder, locustfile, "--worker", "--master-host", master_host.address, host=host)
        )
    try:
        ended = master.end(120)
        assert ended.code == 0, ended.output
        assert [worker.end(60).code for worker in workers] == [0, 0]
    finally:
        for process in (master, *workers):
            if process.process.poll() is None:
                process.kill()
    store = open_store(shop.store, must_exist=True)
    try:
        run = store.run("latest")
        decisions = list(store.read(run.id, ScalingDecision))
        nodes = {sample.node for sample in store.read(run.id, ContainerSample)}
        load = list(store.read(run.id, LoadSample))
    finally:
        store.close()
    assert run.workers == 2
    assert run.totals is not None
    assert run.totals.offered == sum(sample.offered for sample in load)
    assert run.totals.offered == pytest.approx(16 * 25, rel=0.2)  # four standard deviations of 400 arrivals
    assert nodes == {"node1", "node2", "node3"}
    assert any(decision.applied is not None and decision.applied > decision.before for decision in decisions)
