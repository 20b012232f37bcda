"""Answers that lack something, are too large, or come from a wrong clock: what can be had of them is had."""

from __future__ import annotations

import json
import time
from typing import Any

import gevent
import pytest

from tests.cadvisor_server import DOCKER, Answer, FakeContainer, FakeNode
from tests.sampler.cluster import A, B, Cluster, assert_without_gaps, troubles, until


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
