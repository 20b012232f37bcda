"""Nodes whose cAdvisors are real HTTP servers on loopback with made-up containers, and what samplers bring from them."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, Any

import gevent
import pytest

from swarm_ext.model import ContainerSample, Node, NodeSample
from swarm_ext.sampler import Sampler
from tests.cadvisor_server import CAdvisorServer, FakeNode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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

    def add(self, fake: FakeNode, name: str, port: int = 0) -> CAdvisorServer:
        server = CAdvisorServer(fake.respond, port)
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
