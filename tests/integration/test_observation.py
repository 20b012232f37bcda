"""What watches and scales a run: it sees everything once, and nothing that fails in it stops or slows the load."""

from __future__ import annotations

import os
import re
import signal
from typing import TYPE_CHECKING

from swarm_ext.model import ContainerSample, NodeSample, ServiceSample
from swarm_ext.replicas import InitialReplicas
from swarm_ext.swarm.local_swarm import LocalSwarm
from tests.embedded_swarm import whose_command_has
from tests.integration.bench import LOCUSTFILES, LocustProcess, run_locust

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.bench import SlowServer

POISSON = LOCUSTFILES / "poisson.py"


def test_the_whole_loop_in_one_command(tmp_path: Path) -> None:
    report = tmp_path / "r.html"
    ended = run_locust(
        tmp_path, POISSON, "-u", "2", "-r", "9", "--lamb", "8", "--iter", "160", "--swarm", "local",
        "--initial-replicas", "3", "--warm-up", "2", "--settle", "2", "--slo", "500ms:90%", "--report", str(report),
    )  # fmt: skip
    assert ended.code == 0, ended.output
    assert ended.totals().offered == 160
    samples = [sample for sample in ended.read(ContainerSample) if isinstance(sample, ContainerSample)]
    assert {sample.slot for sample in samples} == {1, 2, 3}
    assert all(sample.cpu_limit_cores == 0.25 for sample in samples)
    assert ended.read(NodeSample)
    states = [sample for sample in ended.read(ServiceSample) if isinstance(sample, ServiceSample)]
    assert {sample.ready for sample in states} == {3}
    (run,) = ended.runs()
    assert [span.name for span in run.phases] == ["warm-up", "load", "settle"]
    assert [sample.phase for sample in ended.load()].count("warm-up") in (
        2,
        3,
    )  # the first second is seldom a whole one
    assert run.options["slo"] == {"limit_seconds": 0.5, "share": 0.9}
    page = report.read_text()
    assert run.id in page
    assert "web.3" in page


def test_given_endpoints_are_sampled_without_a_swarm(tmp_path: Path) -> None:
    swarm = LocalSwarm(replicas=2)
    try:
        (node,) = swarm.nodes()
        ended = run_locust(
            tmp_path,
            POISSON,
            "-H",
            swarm.url,
            "--lamb",
            "10",
            "--iter",
            "40",
            "--cadvisor",
            str(node.cadvisor_url),
        )
    finally:
        swarm.close()
    assert ended.code == 0, ended.output
    samples = [sample for sample in ended.read(ContainerSample) if isinstance(sample, ContainerSample)]
    assert {sample.slot for sample in samples} == {1, 2}
    assert ended.read(ServiceSample) == []


def test_a_node_that_does_not_answer_is_told_of_once_and_counted(tmp_path: Path, server: SlowServer) -> None:
    ended = run_locust(
        tmp_path,
        POISSON,
        "-H",
        server.url,
        "--lamb",
        "20",
        "--iter",
        "80",
        "--cadvisor",
        "http://127.0.0.1:9",
    )
    assert ended.code == 0, ended.output
    assert ended.totals().completed == 80
    (run,) = ended.runs()
    assert [
        trouble.count > 1 for trouble in run.troubles if "127.0.0.1:9" in trouble.source + trouble.message
    ] == [True]
    assert len(re.findall(r"WARNING.*127\.0\.0\.1:9", ended.output)) <= 2


def test_a_store_that_fails_during_the_run_does_not_stop_the_load(tmp_path: Path, server: SlowServer) -> None:
    locust = LocustProcess(
        tmp_path, POISSON, "--headless", "--only-summary", "-H", server.url, "--lamb", "25", "--iter", "200"
    )
    locust.wait_for("All users spawned")
    for file in tmp_path.glob("runs.db*"):
        file.unlink()
    ended = locust.end()
    assert "200 = 200 completed" in ended.output
    assert len(server.arrivals()) == 200
    assert re.search(r"WARNING +store", ended.output)
    assert "Traceback" not in ended.output


def test_the_swarm_that_dies_during_the_run_does_not_stop_the_load(tmp_path: Path) -> None:
    locust = LocustProcess(
        tmp_path, POISSON, "--headless", "--only-summary", "--swarm", "local", "--lamb", "10", "--iter", "60",
        "--autoscale", "target-utilisation", "--autoscale-interval", "1",
    )  # fmt: skip
    locust.wait_for("All users spawned")
    (node,) = whose_command_has(locust.descendants(), "swarm_ext.swarm.local_node")
    os.kill(node.pid, signal.SIGKILL)
    ended = locust.end()
    totals = ended.totals()
    assert totals.offered == 60
    assert totals.failed > 0
    assert ended.code == 1
    assert "Traceback" not in ended.output
    assert ended.children_left == []
    (run,) = ended.runs()
    assert run.troubles


def test_initial_replicas_are_waited_for_and_what_was_there_is_put_back() -> None:
    swarm = LocalSwarm(replicas=1)
    try:
        initial = InitialReplicas(swarm, "web")
        initial.prepare(2)
        assert swarm.service("web").ready == 2
        swarm.scale("web", 4)  # as an autoscaler does during the run
        initial.restore()
        assert swarm.service("web").desired == 1
    finally:
        swarm.close()


def test_a_locustfile_hears_our_events_and_one_that_raises_sets_the_exit_code(tmp_path: Path) -> None:
    file = tmp_path / "listening.py"
    listener = """
from swarm_ext import events

heard = set()
for name in ("load_samples", "container_samples", "service_samples", "node_samples", "scaling_decision"):
    def listen(name=name, **kwargs):
        if name not in heard:
            heard.add(name)
            print("heard", name, sorted(kwargs))
    getattr(events, name).add_listener(listen)
"""
    file.write_text(POISSON.read_text() + listener)
    options = (
        "--swarm", "local", "--lamb", "10", "--iter", "60", "--autoscale", "threshold", "--autoscale-interval", "1",
    )  # fmt: skip
    ended = run_locust(tmp_path, file, *options)
    assert ended.code == 0, ended.output
    for name in ("load_samples", "container_samples", "service_samples", "node_samples"):
        assert f"heard {name} ['samples']" in ended.output
    assert "heard scaling_decision ['decision']" in ended.output
    file.write_text(
        POISSON.read_text() + listener.replace("if name not in heard", "raise ValueError(name)\n        if 1")
    )
    again = tmp_path / "again"
    again.mkdir()
    ended = run_locust(again, file, *options)
    assert ended.code == 2
    assert ended.totals().completed == 60
