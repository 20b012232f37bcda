"""What is asked for, and what is taken from the answers, over many polls of one node: pure, on made-up clocks."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest

from swarm_ext.sampling.cadvisor_wire import (
    ContainerInfo,
    ContainersReply,
    ContainerStats,
    CpuStats,
    CpuUsage,
    Machine,
)
from swarm_ext.sampling.node_series import FORGET_AFTER_SECONDS, Batch, NodeSeries, Poll, Query

EPOCH = datetime(2024, 5, 1, 12, 0, tzinfo=UTC)
"""The node's clock when our monotonic clock says 0; ours then says another day, so that comparing them shows."""
OUR_EPOCH = datetime(1999, 12, 31, tzinfo=UTC).timestamp()


def moment(seconds: float) -> datetime:
    return EPOCH + timedelta(seconds=seconds)


class Node:
    """A cAdvisor's memory: points in the order they were made, searched as cAdvisor does."""

    def __init__(self) -> None:
        self.points: dict[str, list[datetime]] = {}
        self.root_points: list[datetime] | None = []

    def measure(self, *seconds: float, containers: str = "a", root: bool = True) -> None:
        for second in seconds:
            for container in containers:
                self.points.setdefault(container * 64, []).append(moment(second))
            if root and self.root_points is not None:
                self.root_points.append(moment(second))

    def answer(self, series: NodeSeries, now: float) -> Poll:
        query = series.query(now)
        reply = ContainersReply(
            tuple(
                ContainerInfo(id=container_id, name=f"/docker/{container_id}", stats=select(points, query))
                for container_id, points in self.points.items()
            )
        )
        root = None
        if self.root_points is not None:
            root = ContainerInfo(name="/", stats=select(self.root_points, series.root_query(query)))
        return Poll(query, reply, root, OUR_EPOCH + now - 0.01, OUR_EPOCH + now, now)


def select(points: list[datetime], query: Query) -> list[ContainerStats | None]:
    stats: list[ContainerStats | None] = [
        ContainerStats(
            timestamp=point, cpu=CpuStats(usage=CpuUsage(total=round(point.timestamp() * 1e9 / 4)))
        )
        for point in points
        if query.since is None or point >= query.since
    ]
    return stats if query.points < 0 else stats[-query.points :]


def poll(series: NodeSeries, node: Node, now: float) -> Batch:
    return series.take(node.answer(series, now))


def seconds(batch: Batch, container: str = "a") -> list[float]:
    return [
        (sample.timestamp - EPOCH).total_seconds()
        for sample in batch.containers
        if sample.container_id == container * 64
    ]


def new_series() -> NodeSeries:
    return NodeSeries("run", "node1", started=0.0, machine=Machine(num_cores=4))


def test_at_the_start_only_the_newest_point_is_taken() -> None:
    series, node = new_series(), Node()
    node.measure(*range(-120, 1))
    assert series.query(0.0) == Query(None, 1)
    assert seconds(poll(series, node, 0.0)) == [0]


def test_each_point_is_taken_once_and_rates_go_on_from_poll_to_poll() -> None:
    series, node = new_series(), Node()
    taken: list[Batch] = []
    for second in range(20):
        node.measure(second)
        taken.append(poll(series, node, second + 0.5))
    assert [seconds(batch) for batch in taken] == [[second] for second in range(20)]
    rates = [sample.cpu_usage_cores for batch in taken for sample in batch.containers]
    assert rates[0] is None
    assert all(rate is not None and math.isclose(rate, 0.25, rel_tol=1e-6) for rate in rates[1:])


def test_it_asks_from_the_oldest_live_containers_last_point() -> None:
    series, node = new_series(), Node()
    node.measure(1.0, containers="a", root=False)
    node.measure(4.5, containers="b")
    poll(series, node, 5.0)
    assert series.query(5.0) == Query(moment(1.0), -1)


def test_points_published_after_newer_ones_of_others_are_not_lost() -> None:
    series, node = new_series(), Node()
    node.measure(0, containers="a")
    poll(series, node, 0.5)
    node.measure(1.4, containers="a", root=False)
    poll(series, node, 1.5)
    node.measure(1.2, containers="b")
    batch = poll(series, node, 1.6)
    assert seconds(batch, "b") == [1.2]
    assert [sample.timestamp for sample in batch.nodes] == [moment(1.2)]


def test_a_container_that_is_seldom_measured_does_not_make_every_answer_long() -> None:
    series, node = new_series(), Node()
    node.measure(0, containers="ab")
    for second in range(60):
        node.measure(second, containers="a")
        poll(series, node, second + 0.5)
    query = series.query(60.0)
    assert query.since is not None
    assert query.since >= moment(59 - 5)


def test_missed_polls_are_made_up_for() -> None:
    series, node = new_series(), Node()
    node.measure(0, 1)
    poll(series, node, 1.5)
    node.measure(*range(2, 60))
    for second in range(2, 60):
        series.query(second + 0.5)
        series.missed()
    assert seconds(poll(series, node, 60.0)) == list(range(2, 60))


def test_a_node_that_is_reached_late_gives_what_it_has_since_the_start() -> None:
    series, node = new_series(), Node()
    node.measure(*range(-60, 31, 2))
    for second in range(30):
        series.query(float(second))
        series.missed()
    assert seconds(poll(series, node, 30.2)) == list(range(0, 31, 2))


def test_a_silence_before_an_outage_does_not_cost_what_came_during_it() -> None:
    series, node = new_series(), Node()
    node.measure(0, 1)
    for now in (1.5, 2.5):
        poll(series, node, now)
    node.measure(*range(3, 60))
    for second in range(3, 60):
        series.query(second + 0.5)
        series.missed()
    assert seconds(poll(series, node, 60.0)) == list(range(3, 60))


def test_the_roots_own_outage_is_made_up_for() -> None:
    series, node = new_series(), Node()
    node.measure(0)
    poll(series, node, 0.5)
    for second in range(1, 40):
        node.measure(second)
        answered = node.answer(series, second + 0.5)
        series.take(answered._replace(root=None))
    node.measure(40)
    timestamps = [sample.timestamp for sample in poll(series, node, 40.5).nodes]
    assert timestamps == [moment(second) for second in range(1, 41)]


def test_a_container_that_is_there_but_not_measured_is_not_forgotten() -> None:
    series, node = new_series(), Node()
    node.measure(0, containers="ab")
    for second in range(1, 40):
        node.measure(second, containers="a")
        poll(series, node, second + 0.5)
    assert series.container_ids == {"a" * 64, "b" * 64}


def test_the_machine_is_asked_for_again_after_an_outage() -> None:
    series = new_series()
    series.missed()
    assert series.machine is None


def test_a_new_container_is_taken_from_its_beginning() -> None:
    series, node = new_series(), Node()
    node.measure(0, 1)
    poll(series, node, 1.5)
    node.measure(2, containers="a")
    node.measure(2.2, 3.2, containers="b")
    node.measure(3, containers="a")
    assert seconds(poll(series, node, 3.5), "b") == [2.2, 3.2]


def test_the_first_container_of_an_empty_node_is_taken_from_its_beginning() -> None:
    series, node = new_series(), Node()
    for second in range(10):
        node.measure(second, containers="")
        poll(series, node, second + 0.5)
    node.measure(10, 11, 12, containers="a")
    assert seconds(poll(series, node, 12.5)) == [10, 11, 12]


def test_an_answer_that_is_not_taken_to_its_end_comes_whole_with_the_next() -> None:
    def is_cut_off() -> None:
        raise TimeoutError

    series, node = new_series(), Node()
    names = "abcdefghijkl"
    for second in (0, 1):
        node.measure(second, containers=names)
    poll(series, node, 1.0)
    node.measure(2, containers=names)
    with pytest.raises(TimeoutError):
        series.take(node.answer(series, 2.0), is_cut_off)
    node.measure(3, containers=names)
    batch = poll(series, node, 3.0)
    assert all(seconds(batch, name) == [2, 3] for name in names)


def test_the_same_container_twice_in_an_answer_is_taken_once() -> None:
    series, node = new_series(), Node()
    node.measure(0)
    answer = node.answer(series, 0.0)
    twice = ContainersReply(answer.reply.containers * 2)
    assert seconds(series.take(answer._replace(reply=twice))) == [0]


def test_a_removed_container_takes_its_history_with_it() -> None:
    series, node = new_series(), Node()
    node.measure(0, containers="ab")
    poll(series, node, 0.5)
    del node.points["b" * 64]
    for second in range(1, 3 + math.ceil(FORGET_AFTER_SECONDS)):
        node.measure(second, containers="a")
        poll(series, node, second + 0.5)
    assert series.container_ids == {"a" * 64}


def test_a_container_missing_from_one_answer_goes_on_where_it_was() -> None:
    series, node = new_series(), Node()
    node.measure(0, 1)
    poll(series, node, 1.5)
    hidden = node.points.pop("a" * 64)
    node.measure(2, containers="")
    poll(series, node, 2.5)
    node.points["a" * 64] = [*hidden, moment(2)]
    node.measure(3)
    assert seconds(poll(series, node, 3.5)) == [2, 3]


def test_memory_does_not_grow_with_the_containers_that_were() -> None:
    series, node = new_series(), Node()
    for second in range(100):
        node.points = {f"{second:064d}": [moment(second)]}
        poll(series, node, second + 0.5)
    assert len(series.container_ids) <= FORGET_AFTER_SECONDS + 2


def test_freshness_is_told_by_our_clock_from_when_a_newer_point_came() -> None:
    series, node = new_series(), Node()
    node.measure(0, containers="ab")
    poll(series, node, 0.5)
    for second in range(1, 8):
        node.measure(second, containers="a")
        poll(series, node, second + 0.5)
    assert series.seconds_since_advance("a" * 64, 8.0) == 0.5
    assert series.seconds_since_advance("b" * 64, 8.0) == 7.5
    assert series.seconds_since_advance("c" * 64, 8.0) == math.inf


def test_an_answer_that_is_too_large_is_not_asked_for_again() -> None:
    series, node = new_series(), Node()
    node.measure(0)
    poll(series, node, 0.5)
    node.measure(*range(1, 101))
    series.missed()
    series.give_up_backlog(100.5)
    assert series.query(100.5) == Query(None, 1)
    batch = poll(series, node, 100.5)
    assert seconds(batch) == [100]
    assert series.query(101.0) == Query(moment(98), -1)


def test_a_clock_set_back_by_an_hour_costs_a_few_seconds_only() -> None:
    series, node = new_series(), Node()
    for second in range(10):
        node.measure(second)
        poll(series, node, second + 0.5)
    taken: list[float] = []
    for second in range(10, 30):
        node.measure(second - 3600)
        taken += seconds(poll(series, node, second + 0.5))
    assert taken == [second - 3600 for second in range(30 - len(taken), 30)]
    assert len(taken) >= 13


def test_the_machines_own_samples_bear_the_nodes_time() -> None:
    series, node = new_series(), Node()
    node.measure(0, 1)
    poll(series, node, 1.5)
    node.measure(2, 3)
    batch = poll(series, node, 3.5)
    assert [sample.timestamp for sample in batch.nodes] == [moment(2), moment(3)]
    assert [sample.cores for sample in batch.nodes] == [4.0, 4.0]


def test_without_a_root_container_a_node_sample_bears_our_time() -> None:
    series, node = new_series(), Node()
    node.root_points = None
    node.measure(0)
    (sample,) = poll(series, node, 0.5).nodes
    assert sample.timestamp.timestamp() == OUR_EPOCH + 0.5
    assert (sample.cores, sample.cpu_usage_cores) == (4.0, None)


def test_a_root_that_has_not_advanced_gives_no_second_sample() -> None:
    series, node = new_series(), Node()
    node.measure(0)
    assert len(poll(series, node, 0.5).nodes) == 1
    node.measure(3, root=False)
    for now in (3.5, 4.5):
        assert poll(series, node, now).nodes == []


def test_the_clocks_offset_is_estimated_from_the_polls() -> None:
    series, node = new_series(), Node()
    batch = Batch([], [])
    for second in range(40):
        node.measure(second * 1.03)
        batch = poll(series, node, second * 1.03 + 0.05 + 0.5 * (second % 2))
    offset = batch.nodes[-1].clock_offset_seconds
    assert offset is not None
    assert abs(offset - (EPOCH.timestamp() - OUR_EPOCH)) < 0.3
