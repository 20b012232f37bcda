"""Locust itself on a real swarm: what is refused before any load, and what a run leaves behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from swarm_ext.model import ContainerSample, ServiceSample
from tests.integration.bed.swarm import until
from tests.integration.bench import LOCUSTFILES, LocustProcess, run_locust, slow_server
from tests.integration.docker_services import converged, docker_swarm, service

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.bed.swarm import Bed

POISSON = LOCUSTFILES / "poisson.py"
STACK = ("--replicas=1", "--label=com.docker.stack.namespace=shop", "--limit-cpu=0.1")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--service", "nothing"), "the swarm has no service 'nothing'; give one of "),
        (
            ("--service", "each", "--autoscale", "target-utilisation"),
            "--autoscale target-utilisation: service each is global, one task for each node; only a replicated",
        ),
        (
            ("--service", "each", "--initial-replicas", "2"),
            "--initial-replicas 2: service each is global, one task for each node; only a replicated",
        ),
    ],
)
def test_a_service_that_will_not_do_is_refused_in_one_line_before_any_load(
    bed: Bed, tmp_path: Path, options: tuple[str, ...], words: str
) -> None:
    where = {"DOCKER_HOST": bed.manager.docker_host}
    with service(bed, "each", "--mode=global"):
        ended = run_locust(
            tmp_path,
            POISSON,
            "--swarm",
            "docker",
            "-H",
            "http://127.0.0.1:9",
            "-t",
            "9",
            *options,
            environment=where,
        )
    assert ended.code == 2
    assert ended.last_line.startswith(f"locust: error: {words}")
    assert "Traceback" not in ended.output


def test_a_worker_is_refused_and_so_is_a_run_without_a_host(bed: Bed, tmp_path: Path) -> None:
    worker = {"DOCKER_HOST": bed.engines[1].docker_host}
    ended = run_locust(tmp_path, POISSON, "--swarm", "docker", "-H", "http://127.0.0.1:9", environment=worker)
    assert ended.code == 2
    assert ended.last_line.endswith(
        f"not a manager; set DOCKER_HOST to a manager: {bed.manager.host.address}"
    )
    ended = run_locust(tmp_path, POISSON, "--swarm", "docker", environment=worker)
    assert ended.code == 2
    assert (
        "PoissonVisitor has no host: give -H http://… or --url http://… (a node's address" in ended.last_line
    )


def test_initial_replicas_are_ready_before_the_load_and_put_back_after_ctrl_c(
    bed: Bed, tmp_path: Path
) -> None:
    options = ("--headless", "--only-summary", "-t", "60", "--swarm", "docker", "--service", "web")
    where = {"DOCKER_HOST": bed.manager.docker_host}
    with service(bed, "shop_web", *STACK), docker_swarm(bed) as swarm, slow_server(tmp_path, 0.01) as server:
        before = converged(swarm, "shop_web", 1)
        locust = LocustProcess(
            tmp_path, POISSON, "-H", server.url, "--initial-replicas", "3", *options, environment=where
        )
        locust.wait_for("Service shop_web: 1 of 1 replicas are ready")
        until(lambda: len(server.arrivals()) > 5, "load comes")
        for node in (1, 2, 3):
            locust.wait_for(f"cAdvisor of node{node}: ")
        during = swarm.service("shop_web")
        locust.interrupt()
        ended = locust.end()
        after = converged(swarm, "shop_web", 1)
    assert (during.desired, during.ready) == (3, 3)
    assert before.tasks[0].id in {task.id for task in during.tasks}
    assert len(after.tasks) == 1
    (run,) = ended.runs()
    assert (run.swarm, run.service, run.exit_status) == ("docker", "shop_web", "interrupted")
    samples = [sample for sample in ended.read(ServiceSample) if isinstance(sample, ServiceSample)]
    assert samples
    assert {(sample.service, sample.running) for sample in samples[:1]} == {("shop_web", 3)}
    assert ended.read(ContainerSample) == []  # no cAdvisor is deployed: the run says so, and goes on
    assert {t.source for t in run.troubles} == {f"cAdvisor of node{n}" for n in (1, 2, 3)}


@pytest.mark.slow
def test_the_load_goes_on_while_the_manager_is_away_and_the_swarm_is_watched_again_after_it(
    bed: Bed, tmp_path: Path
) -> None:
    options = (
        "--headless",
        "--only-summary",
        "-t",
        "300",
        "--swarm",
        "docker",
        "--service",
        "steady",
        "--lamb",
        "20",
    )
    where = {"DOCKER_HOST": bed.manager.docker_host}
    constraint = "--constraint=node.hostname==node2"
    with service(bed, "steady", "--replicas=2", constraint), slow_server(tmp_path, 0.01) as server:
        with docker_swarm(bed) as swarm:
            converged(swarm, "steady", 2)
        locust = LocustProcess(tmp_path, POISSON, "-H", server.url, *options, environment=where)
        until(lambda: len(server.arrivals()) > 5, "load comes")
        bed.manager.kill()
        locust.wait_for("service steady: .*(refused|closed without an answer|no such socket)")
        bed.manager.start()
        bed.manager.wait()
        locust.wait_for("service steady: works again")
        locust.interrupt()
        ended = locust.end()
        with docker_swarm(bed) as swarm:
            until(lambda: all(node.state == "ready" for node in swarm.nodes()), "all nodes are ready")
    loads = ended.load()
    assert all(sample.offered > 0 for sample in loads[1:-1])  # every second had its load
    assert ended.output.count("service steady: ") <= 4  # told when it began and ended, and in the summary
    (run,) = ended.runs()
    assert "service steady" in {trouble.source for trouble in run.troubles}
