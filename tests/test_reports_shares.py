"""CPU and requests of replicas and nodes, against values computed by hand."""

import pandas as pd
import pytest

from reports import shares
from reports.elasticity import Window

NAN = float("nan")


def samples(container: str, *points: tuple[float, float], limit: float = 0.5) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "container": container,
            "t": [t for t, _ in points],
            "cpu_seconds": [used for _, used in points],
            "cores": 0.25,
            "limit_cores": limit,
            "memory_mb": [30.0 + i for i in range(len(points))],
            "memory_limit_mb": 256.0,
        }
    )


def inventory(*containers: tuple[str, str]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "container": [container for container, _ in containers],
            "label": [f"web · {container[:3]}" for container, _ in containers],
            "node": [node for _, node in containers],
        }
    )


NODES = pd.DataFrame(
    {
        "t": [0.0, 5.0, 99.0],
        "node": ["n1", "n1", "n1"],
        "cores": 2.0,
        "cpu_cores": [NAN, 1.5, 9.0],
        "memory_mb": 1000.0,
        "capacity_mb": 4000.0,
    }
)


def test_cpu_used_is_what_the_counter_grew_by_in_the_window() -> None:
    series = samples("abc", (0, 100.0), (10, 104.0), (20, 105.0))
    assert shares.cpu_used(series, Window(0, 20)) == (5.0, 20.0)
    assert shares.cpu_used(series, Window(5, 15)) == pytest.approx((2.0 + 0.5, 10.0))
    assert shares.cpu_used(series, Window(-50, 10)) == (4.0, 10.0)
    assert shares.cpu_used(series, Window(30, 40)) == (0.0, 0.0)


def test_a_counter_that_began_anew_loses_nothing() -> None:
    series = samples("abc", (0, 100.0), (10, 104.0), (20, 1.0), (30, 3.0))
    assert shares.cpu_used(series, Window(0, 30)) == (7.0, 30.0)


def test_a_container_whose_cpu_was_never_measured_used_nothing_known() -> None:
    assert shares.cpu_used(samples("abc", (0, NAN)), Window(0, 30)) == (0.0, 0.0)


def test_each_replica_has_its_share_of_the_requests_by_the_id_it_answered_with() -> None:
    table = pd.concat([samples("aaaa1111", (0, 0.0), (10, 4.0)), samples("bbbb2222", (5, 0.0), (10, 1.0))])
    first, second = shares.replica_shares(
        table, inventory(("aaaa1111", "n1"), ("bbbb2222", "n2")), {"aaaa": 30, "bbbb": 10}, Window(0, 10)
    )
    assert (first.requests, first.request_share) == (30, 0.75)
    assert (second.requests, second.request_share) == (10, 0.25)
    assert (first.mean_cores, second.mean_cores) == (0.4, 0.2)
    assert (first.allocated_core_seconds, second.allocated_core_seconds) == (5.0, 2.5)
    assert first.max_memory_mb == 31.0


def test_where_no_response_named_its_replica_shares_are_unknown() -> None:
    table = samples("aaaa1111", (0, 0.0), (10, 4.0))
    (only,) = shares.replica_shares(table, inventory(("aaaa1111", "n1")), {}, Window(0, 10))
    assert only.requests is None
    assert only.request_share is None


def test_a_container_not_seen_in_the_window_is_left_out() -> None:
    table = samples("aaaa1111", (0, 0.0), (10, 4.0))
    assert shares.replica_shares(table, inventory(("aaaa1111", "n1")), {}, Window(20, 30)) == ()


def test_nodes_add_up_their_replicas_and_tell_of_the_whole_machine() -> None:
    table = pd.concat([samples("aaaa", (0, 0.0), (10, 4.0)), samples("bbbb", (0, 0.0), (10, 1.0))])
    containers = inventory(("aaaa", "n1"), ("bbbb", "n2"))
    replicas = shares.replica_shares(table, containers, {"aaaa": 3, "bbbb": 1}, Window(0, 10))
    first, second = shares.node_shares(replicas, NODES, Window(0, 10))
    assert (first.node, first.containers, first.used_core_seconds, first.request_share) == (
        "n1",
        1,
        4.0,
        0.75,
    )
    assert (first.cores, first.mean_cores, first.max_cores) == (2.0, 1.5, 1.5)
    assert (second.node, second.used_core_seconds, second.cores) == ("n2", 1.0, None)


def test_used_against_allocated_leaves_containers_without_a_limit_out() -> None:
    table = pd.concat([samples("aaaa", (0, 0.0), (10, 4.0)), samples("bbbb", (0, 0.0), (10, 1.0), limit=NAN)])
    replicas = shares.replica_shares(table, inventory(("aaaa", "n1"), ("bbbb", "n2")), {}, Window(0, 10))
    total = shares.core_seconds(replicas)
    assert total is not None
    assert (total.used, total.allocated, total.share, total.unlimited) == (4.0, 5.0, 0.8, 1)
    unlimited = shares.core_seconds(replicas[1:])
    assert unlimited is not None
    assert (unlimited.used, unlimited.share) == (1.0, None)
    assert shares.core_seconds(()) is None
