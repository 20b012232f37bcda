"""A node that fails for a while: what was missed is made up for, and others do not pay for it."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.cadvisor_server import DOCKER, MACHINE, Answer, CAdvisorServer, FakeContainer, FakeNode
from tests.integration.ports import free_port
from tests.sampler.cluster import A, B, Cluster, assert_without_gaps, node, troubles, until

if TYPE_CHECKING:
    import pytest


def test_an_outage_is_made_up_for_and_told_once_each_way(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    fake = FakeNode([FakeContainer(A)])
    server = cluster.add(fake, "node1")
    sampler = cluster.sampler()
    sampler.start()
    until(lambda: len(cluster.of(A)) >= 3)
    asked: list[str] = []

    def busy_from_the_next_poll_on(method: str, path: str, body: Any) -> Answer:
        asked.append(path)
        return Answer(b"busy", status=500) if DOCKER in asked else fake.respond(method, path, body)

    server.respond = busy_from_the_next_poll_on
    until(lambda: troubles(sampler).get("cAdvisor of node1", 0) >= 5)
    server.respond = fake.respond
    until(lambda: "works again" in caplog.text)
    assert_without_gaps(cluster.of(A), 0.1)
    assert len(caplog.messages) == 2
    assert "cAdvisor of node1: http://127.0.0.1" in caplog.messages[0]
    assert "HTTP 500" in caplog.messages[0]


def test_a_cadvisor_that_restarts_on_its_port_is_found_again(cluster: Cluster) -> None:
    fake = FakeNode([FakeContainer(A)])
    server = cluster.add(fake, "node1", free_port())  # which the system gives to nobody else meanwhile
    sampler = cluster.sampler()
    sampler.start()
    until(lambda: len(cluster.of(A)) >= 3)
    cluster.servers.remove(server)
    server.close()
    until(lambda: troubles(sampler).get("cAdvisor of node1", 0) >= 2)
    cluster.servers.append(CAdvisorServer(fake.respond, port=server.port))
    before = len(cluster.of(A))
    until(lambda: len(cluster.of(A)) >= before + 5)
    assert_without_gaps(cluster.of(A), 0.1)


def test_after_an_outage_the_machine_is_asked_what_it_is_again(cluster: Cluster) -> None:
    fake = FakeNode([FakeContainer(A)])
    server = cluster.add(fake, "node1")
    sampler = cluster.sampler()
    for answer in (fake.respond, lambda method, path, body: Answer(status=500), fake.respond):
        server.respond = answer
        sampler.poll_once()
    assert [path for _, path, _ in server.requests].count(MACHINE) == 2


def test_one_node_that_fails_does_not_cost_the_others(cluster: Cluster) -> None:
    cluster.add(FakeNode([FakeContainer(A)]), "node1")
    cluster.nodes.append(node("node2", "http://127.0.0.1:9"))
    sampler = cluster.sampler()
    sampler.start()
    until(lambda: len(cluster.of(A)) >= 5)
    assert troubles(sampler).keys() == {"cAdvisor of node2"}


PATCHED = """
import gevent.monkey
gevent.monkey.patch_all()
import gc, json, sys, threading
import gevent
from gevent.event import Event
from swarm_ext.sampler import Sampler, static_nodes

quick = static_nodes([sys.argv[1]])[0].name
enough, batches = Event(), []
def listen(samples):
    batches.extend(sample.node for sample in samples)
    if batches.count(quick) >= 10:
        enough.set()
sampler = Sampler("run", lambda: static_nodes(sys.argv[1:]), on_samples=listen, on_node_samples=len,
                  interval_seconds=0.1, timeout_seconds=(5.0, 60.0))
sampler.start()
assert enough.wait(30)
with gevent.Timeout(30):
    sampler.stop(timeout_seconds=0.5)
left = [each for each in gc.get_objects() if isinstance(each, gevent.Greenlet) and not each.dead]
print(json.dumps({"nodes": sorted(set(batches)), "greenlets": len(left), "threads": threading.active_count()}))
"""


def test_in_a_patched_process_a_node_that_never_answers_delays_no_other_and_no_stop() -> None:
    silent = FakeNode([FakeContainer(B)])
    quick = FakeNode([FakeContainer(A)])
    with CAdvisorServer(quick.respond) as first, CAdvisorServer(silent.respond) as second:
        second.respond = lambda method, path, body: Answer(b"{}", delay_seconds=3600.0)
        process = subprocess.run(
            [sys.executable, "-c", PATCHED, first.url, second.url],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            cwd=Path(__file__).parents[2],
        )
        assert process.returncode == 0, process.stderr
        assert process.stderr == ""
        said = json.loads(process.stdout)
        assert said == {"nodes": [f"127.0.0.1:{first.port}"], "greenlets": 0, "threads": 1}
        assert first.most_at_once == 1
        assert len(second.requests) == 1
