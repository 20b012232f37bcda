"""Every point of every container once, from the start of the sampler until it is stopped."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import gevent
import pytest

from tests.cadvisor_server import DOCKER, ROOT, FakeContainer, FakeNode
from tests.sampler.cluster import A, B, Cluster, assert_without_gaps, troubles, until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from swarm_ext.model import ContainerSample


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


def test_a_listener_that_raises_does_not_end_the_sampling(cluster: Cluster) -> None:
    cluster.add(FakeNode([FakeContainer(A)]), "node1")

    def listen(samples: Sequence[ContainerSample]) -> None:
        cluster.samples.extend(samples)
        raise RuntimeError("disk full")

    sampler = cluster.sampler(on_samples=listen)
    sampler.start()
    until(lambda: troubles(sampler).get("listener to container samples", 0) >= 4)


@pytest.mark.parametrize("interval", [0, -1, float("nan"), float("inf")])
def test_an_impossible_interval_is_refused(cluster: Cluster, interval: float) -> None:
    with pytest.raises(ValueError, match="must be a positive number"):
        cluster.sampler(interval_seconds=interval)


def test_starting_twice_is_refused(cluster: Cluster) -> None:
    sampler = cluster.sampler()
    sampler.start()
    with pytest.raises(RuntimeError, match="started already"):
        sampler.start()
