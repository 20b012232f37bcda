"""The sampler against real HTTP servers on loopback that answer as cAdvisors do."""

from __future__ import annotations

import itertools
import json
import logging
import subprocess
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gevent
import pytest

from swarm_ext.cadvisor import parse_urls
from swarm_ext.model import ContainerSample, Node, NodeSample
from swarm_ext.sampler import Sampler, static_nodes
from tests.cadvisor_server import DOCKER, MACHINE, ROOT, Answer, CAdvisorServer, FakeContainer, FakeNode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

A, B = "a" * 64, "b" * 64
INTERVAL = 0.1


class Cluster:
    """Fake nodes behind real servers, and a list of them that a test may change."""

    def __init__(self) -> None:
        self.servers: list[CAdvisorServer] = []
        self.nodes: list[Node] = []
        self.samples: list[ContainerSample] = []
        self.node_samples: list[NodeSample] = []
        self.samplers: list[Sampler] = []

    def add(self, fake: FakeNode, name: str) -> CAdvisorServer:
        server = CAdvisorServer(fake.respond)
        self.servers.append(server)
        self.nodes.append(node(name, server.url))
        return server

    def sampler(self, nodes: Callable[[], Sequence[Node]] | None = None, **options: Any) -> Sampler:
        options = {
            "on_samples": self.samples.extend,
            "on_node_samples": self.node_samples.extend,
            "interval_seconds": INTERVAL,
        } | options
        sampler = Sampler("run", nodes or (lambda: list(self.nodes)), **options)
        self.samplers.append(sampler)
        return sampler

    def of(self, container_id: str) -> list[ContainerSample]:
        return [sample for sample in self.samples if sample.container_id == container_id]


def node(name: str, url: str | None, state: Any = "ready") -> Node:
    return Node(id=f"id-{name}", name=name, address="127.0.0.1", state=state, cadvisor_url=url, cores=None)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    cluster = Cluster()
    yield cluster
    for sampler in cluster.samplers:
        sampler.stop()
    for server in cluster.servers:
        server.close()


def until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        gevent.sleep(0.01)


def troubles(sampler: Sampler) -> dict[str, int]:
    return {trouble.source: trouble.count for trouble in sampler.troubles()}


def assert_without_gaps(samples: list[ContainerSample], every_seconds: float) -> None:
    gaps = [
        (after.timestamp - before.timestamp).total_seconds() for before, after in itertools.pairwise(samples)
    ]
    assert gaps == pytest.approx([every_seconds] * len(gaps), abs=0.002)


def test_every_container_of_every_node_is_sampled_without_gaps_and_once(cluster: Cluster) -> None:
    cluster.add(FakeNode([FakeContainer(A, cores=0.25)]), "node1")
    cluster.add(FakeNode([FakeContainer(B, cores=0.5)]), "node2")
    cluster.sampler().start()
    until(lambda: min(len(cluster.of(A)), len(cluster.of(B))) >= 15)
    for container_id, name, cores in ((A, "node1", 0.25), (B, "node2", 0.5)):
        samples = cluster.of(container_id)
        assert_without_gaps(samples, 0.1)
        assert len({sample.key for sample in samples}) == len(samples)
        assert {sample.node for sample in samples} == {name}
        assert samples[0].cpu_usage_cores is None
        assert [s.cpu_usage_cores for s in samples[1:]] == pytest.approx(
            [cores] * (len(samples) - 1), rel=0.01
        )
    assert {sample.node for sample in cluster.node_samples} == {"node1", "node2"}
    assert {sample.cores for sample in cluster.node_samples} == {4.0}


def test_nothing_from_before_the_start_is_taken(cluster: Cluster) -> None:
    cluster.add(FakeNode([FakeContainer(A)]), "node1")
    cluster.sampler().poll_once()
    assert len(cluster.of(A)) == 1
    assert len(cluster.node_samples) == 1


def test_what_is_asked_for_is_only_what_is_newer(cluster: Cluster) -> None:
    server = cluster.add(FakeNode([FakeContainer(A)]), "node1")
    sampler = cluster.sampler()
    sampler.poll_once()
    newest = max(cluster.of(A)[-1].timestamp, cluster.node_samples[-1].timestamp)
    sampler.poll_once()
    asked = [body for _, path, body in server.requests if path in {DOCKER, ROOT}]
    assert asked[0] == {"num_stats": 1}
    assert asked[2]["num_stats"] == -1
    assert datetime.fromisoformat(asked[2]["start"]) == newest - timedelta(seconds=2)


def test_an_outage_is_made_up_for_and_told_once_each_way(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    fake = FakeNode([FakeContainer(A)])
    server = cluster.add(fake, "node1")
    sampler = cluster.sampler()
    sampler.start()
    until(lambda: len(cluster.of(A)) >= 3)
    server.respond = lambda method, path, body: Answer(b"busy", status=500)
    until(lambda: troubles(sampler).get("cAdvisor of node1", 0) >= 5)
    server.respond = fake.respond
    until(lambda: "works again" in caplog.text)
    assert_without_gaps(cluster.of(A), 0.1)
    assert len(caplog.messages) == 2
    assert "cAdvisor of node1: http://127.0.0.1" in caplog.messages[0]
    assert "HTTP 500" in caplog.messages[0]


def test_a_cadvisor_that_restarts_on_its_port_is_found_again(cluster: Cluster) -> None:
    fake = FakeNode([FakeContainer(A)])
    server = cluster.add(fake, "node1")
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


def test_the_last_poll_at_stop_brings_what_came_since_the_one_before(cluster: Cluster) -> None:
    cluster.add(FakeNode([FakeContainer(A)]), "node1")
    sampler = cluster.sampler(interval_seconds=3600.0)
    sampler.start()
    until(lambda: len(cluster.of(A)) >= 1)
    gevent.sleep(0.3)
    sampler.stop()
    assert len(cluster.of(A)) >= 3
    sampler.stop()


def test_stopping_without_having_started_is_nothing(cluster: Cluster) -> None:
    cluster.sampler().stop()


def test_nodes_that_join_are_sampled_and_nodes_that_leave_are_not(cluster: Cluster) -> None:
    cluster.add(FakeNode([FakeContainer(A)]), "node1")
    sampler = cluster.sampler()
    sampler.start()
    until(lambda: len(cluster.of(A)) >= 2)
    server = cluster.add(FakeNode([FakeContainer(B)]), "node2")
    until(lambda: len(cluster.of(B)) >= 2)
    cluster.nodes.pop()
    until(lambda: len(sampler._pollers) == 1)
    until(lambda: all(greenlet.dead for greenlet in sampler._leaving))
    asked, known = len(server.requests), len(cluster.of(A))
    until(lambda: len(cluster.of(A)) >= known + 5)
    assert len(server.requests) == asked


def test_containers_that_are_gone_take_no_memory(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swarm_ext.sampling.node_series.FORGET_AFTER_SECONDS", 0.0)
    fake = FakeNode([FakeContainer(A), FakeContainer(B)])
    cluster.add(fake, "node1")
    sampler = cluster.sampler()
    sampler.poll_once()
    assert sampler._owners.keys() == {A, B}
    fake.remove(B)
    sampler.poll_once()
    sampler.poll_once()
    assert sampler._owners.keys() == {A}


@pytest.mark.parametrize("changed", [{"state": "drain"}, {"state": "down"}, {"cadvisor_url": None}])
def test_a_node_drained_down_or_without_cadvisor_is_not_sampled(
    cluster: Cluster, changed: dict[str, Any]
) -> None:
    server = cluster.add(FakeNode([FakeContainer(A)]), "node1")
    unusable = node("node1", changed.get("cadvisor_url", server.url), changed.get("state", "ready"))
    sampler = cluster.sampler(lambda: [unusable])
    sampler.poll_once()
    assert server.requests == []


def test_a_node_that_comes_back_goes_on_where_it_was(cluster: Cluster) -> None:
    cluster.add(FakeNode([FakeContainer(A)]), "node1")
    sampler = cluster.sampler()
    sampler.start()
    until(lambda: len(cluster.of(A)) >= 3)
    away = cluster.nodes.pop()
    until(lambda: not sampler._pollers)
    gevent.sleep(0.3)
    cluster.nodes.append(away)
    known = len(cluster.of(A))
    until(lambda: len(cluster.of(A)) >= known + 5)
    samples = cluster.of(A)
    assert_without_gaps(samples, 0.1)
    assert len({sample.key for sample in samples}) == len(samples)


def test_when_the_list_of_nodes_fails_the_known_ones_are_still_sampled(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    cluster.add(FakeNode([FakeContainer(A)]), "node1")
    calls = 0

    def nodes() -> list[Node]:
        nonlocal calls
        calls += 1
        if calls > 1:
            raise OSError("manager\nunreachable")
        return cluster.nodes

    sampler = cluster.sampler(nodes)
    sampler.start()
    until(lambda: calls >= 5 and len(cluster.of(A)) >= 5)
    assert troubles(sampler)["list of nodes"] >= 4
    assert caplog.messages == ["list of nodes: OSError: manager unreachable"]


def test_a_listener_that_raises_does_not_end_the_sampling(cluster: Cluster) -> None:
    cluster.add(FakeNode([FakeContainer(A)]), "node1")

    def listen(samples: Sequence[ContainerSample]) -> None:
        cluster.samples.extend(samples)
        raise RuntimeError("disk full")

    sampler = cluster.sampler(on_samples=listen)
    sampler.start()
    until(lambda: troubles(sampler).get("listener to container samples", 0) >= 4)


def test_without_machine_and_root_the_containers_are_sampled_all_the_same(cluster: Cluster) -> None:
    fake = FakeNode([FakeContainer(A)])
    server = cluster.add(fake, "node1")
    server.respond = lambda method, path, body: (
        fake.respond(method, path, body) if path == DOCKER else Answer(b"no", status=404)
    )
    sampler = cluster.sampler()
    sampler.start()
    until(lambda: len(cluster.of(A)) >= 10)
    assert troubles(sampler) == {"cAdvisor of node1, machine": 1, "cAdvisor of node1, whole machine": 1}
    assert {sample.cores for sample in cluster.node_samples} == {None}


def test_a_container_that_cannot_be_read_is_counted_and_the_others_are_sampled(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    fake = FakeNode([FakeContainer(A)])
    server = cluster.add(fake, "node1")

    def respond(method: str, path: str, body: dict[str, Any]) -> Answer:
        answer = fake.respond(method, path, body)
        if path == DOCKER:
            answer.body = json.dumps(json.loads(answer.body) | {"/docker/x": {"id": 1}}).encode()
        return answer

    server.respond = respond
    sampler = cluster.sampler()
    sampler.start()
    until(lambda: len(cluster.of(A)) >= 5 and troubles(sampler)["cAdvisor of node1, containers"] >= 4)
    assert len(caplog.messages) == 1
    assert "1 of 2 cannot be read: container /docker/x:" in caplog.messages[0]


def test_one_cadvisor_under_two_names_gives_each_point_once(cluster: Cluster) -> None:
    server = cluster.add(FakeNode([FakeContainer(A)]), "node1")
    cluster.nodes.append(node("alias", server.url.replace("127.0.0.1", "localhost")))
    sampler = cluster.sampler()
    sampler.start()
    until(lambda: len(cluster.of(A)) >= 10)
    assert len({sample.key for sample in cluster.of(A)}) == len(cluster.of(A))
    assert len({sample.node for sample in cluster.of(A)}) == 1
    assert any("two addresses" in trouble.message for trouble in sampler.troubles())


def test_a_nodes_clock_that_is_wrong_by_an_hour_changes_only_the_estimated_offset(cluster: Cluster) -> None:
    cluster.add(FakeNode([FakeContainer(A)], clock_offset_seconds=3600.0), "node1")
    sampler = cluster.sampler()
    sampler.start()
    until(lambda: len(cluster.of(A)) >= 10)
    assert_without_gaps(cluster.of(A), 0.1)
    assert not sampler.is_stale(A)
    offset = cluster.node_samples[-1].clock_offset_seconds
    assert offset == pytest.approx(3600.0, abs=1.0)
    assert cluster.of(A)[-1].timestamp.timestamp() == pytest.approx(time.time() + 3600.0, abs=30.0)


def test_a_container_is_stale_until_it_is_known_and_when_its_points_stop(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swarm_ext.sampler.STALE_AFTER_SECONDS", 1.0)
    fake = FakeNode([FakeContainer(A), FakeContainer(B)])
    cluster.add(fake, "node1")
    sampler = cluster.sampler()
    assert sampler.is_stale(A)
    sampler.start()
    until(lambda: not sampler.is_stale(A) and not sampler.is_stale(B))
    assert sampler.stale_containers() == frozenset()
    fake.freeze(B)
    until(lambda: sampler.is_stale(B))
    assert sampler.stale_containers() == {B}


def test_a_too_large_answer_is_given_up_for_the_newest_points(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeNode([FakeContainer(A)])
    server = cluster.add(fake, "node1")
    sampler = cluster.sampler()
    sampler.poll_once()
    large = server.respond

    def respond(method: str, path: str, body: dict[str, Any]) -> Answer:
        if path == DOCKER and body["num_stats"] < 0:
            return Answer(b" " * 65 * 2**20)
        return large(method, path, body)

    server.respond = respond
    sampler.poll_once(timeout_seconds=60.0)
    assert "larger than" in sampler.troubles()[0].message
    gevent.sleep(0.2)
    sampler.poll_once()
    assert len(cluster.of(A)) > 1


@pytest.mark.parametrize("interval", [0, -1, float("nan"), float("inf")])
def test_an_impossible_interval_is_refused(cluster: Cluster, interval: float) -> None:
    with pytest.raises(ValueError, match="must be a positive number"):
        cluster.sampler(interval_seconds=interval)


def test_starting_twice_is_refused(cluster: Cluster) -> None:
    sampler = cluster.sampler()
    sampler.start()
    with pytest.raises(RuntimeError, match="started already"):
        sampler.start()


def test_static_nodes_are_named_by_host_and_port() -> None:
    nodes = static_nodes(parse_urls("http://u:secret@a:70,http://b,http://c:70/x,http://c:70/y"))
    assert [(each.name, each.address) for each in nodes] == [
        ("a:70", "a:70"),
        ("b:80", "b:80"),
        ("c:70/x", "c:70"),
        ("c:70/y", "c:70"),
    ]
    assert nodes[0].cadvisor_url == "http://u:secret@a:70"
    assert "secret" not in nodes[0].id
    assert len({each.id for each in nodes}) == 4


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
            cwd=Path(__file__).parent.parent,
        )
        assert process.returncode == 0, process.stderr
        assert process.stderr == ""
        said = json.loads(process.stdout)
        assert said == {"nodes": [f"127.0.0.1:{first.port}"], "greenlets": 0, "threads": 1}
        assert first.most_at_once == 1
        assert len(second.requests) == 1
