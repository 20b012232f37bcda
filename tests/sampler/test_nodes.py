"""Which nodes are sampled: those that are there now and have a cAdvisor, under whatever name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gevent
import pytest

from swarm_ext.sampler import static_nodes
from swarm_ext.sampling.cadvisor_urls import parse_urls
from tests.cadvisor_server import FakeContainer, FakeNode
from tests.sampler.cluster import A, B, Cluster, assert_without_gaps, node, troubles, until

if TYPE_CHECKING:
    from swarm_ext.model import Node


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


def test_one_cadvisor_under_two_names_gives_each_point_once(cluster: Cluster) -> None:
    server = cluster.add(FakeNode([FakeContainer(A)]), "node1")
    cluster.nodes.append(node("alias", server.url.replace("127.0.0.1", "localhost")))
    sampler = cluster.sampler()
    sampler.start()
    until(lambda: len(cluster.of(A)) >= 10)
    assert len({sample.key for sample in cluster.of(A)}) == len(cluster.of(A))
    assert len({sample.node for sample in cluster.of(A)}) == 1
    assert any("two addresses" in trouble.message for trouble in sampler.troubles())


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
