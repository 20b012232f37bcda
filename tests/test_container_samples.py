"""What each awkward value on cAdvisor's wire means, from bytes to records."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from swarm_ext.model import ContainerSample
from swarm_ext.sampling.cadvisor_wire import Machine, WireError, decode_container, decode_containers
from swarm_ext.sampling.container_samples import CpuPoint, container_samples, newest_timestamp, node_samples

ID = "4f" * 32
MACHINE = Machine(num_cores=4, memory_capacity=8 * 2**30)
START = datetime(2024, 5, 1, 12, 0, 0, tzinfo=UTC)


def at(seconds: float, cpu_seconds: float | None = 0.0, **fields: Any) -> dict[str, Any]:
    stats: dict[str, Any] = {"timestamp": (START + timedelta(seconds=seconds)).isoformat()}
    if cpu_seconds is not None:
        stats["cpu"] = {"usage": {"total": round(cpu_seconds * 1e9)}, "cfs": {"throttled_time": 250_000_000}}
    return stats | fields


def converted(
    stats: list[Any] | None,
    previous: CpuPoint | None = None,
    machine: Machine | None = MACHINE,
    **fields: Any,
) -> list[ContainerSample]:
    info = {"id": ID, "name": f"/docker/{ID}", "aliases": ["web.1.abc", ID], "stats": stats} | fields
    reply = decode_containers(json.dumps({info["name"]: info}).encode())
    assert reply.rejected == ()
    return container_samples(
        reply.containers[0], run_id="run", node="node1", machine=machine, previous=previous
    )


def rates(samples: list[ContainerSample]) -> list[float | None]:
    return [None if s.cpu_usage_cores is None else round(s.cpu_usage_cores, 6) for s in samples]


def test_a_complete_point_becomes_a_complete_sample() -> None:
    point = at(
        1,
        3.5,
        memory={"usage": 300, "working_set": 200, "cache": 100},
        network={"name": "eth0", "rx_bytes": 10, "tx_bytes": 20, "tcp": {"Established": 3}},
    )
    spec = {
        "labels": {"com.docker.swarm.service.name": "web", "com.docker.swarm.task.name": "web.2.xyz"},
        "has_cpu": True,
        "has_memory": True,
        "has_network": True,
        "cpu": {"limit": 1024, "max_limit": 0, "quota": 25_000, "period": 100_000},
        "memory": {"limit": 256_000_000, "swap_limit": 512_000_000},
    }
    assert converted([point], spec=spec) == [
        ContainerSample(
            run_id="run",
            timestamp=START + timedelta(seconds=1),
            node="node1",
            service="web",
            slot=2,
            container_id=ID,
            container_name="web.1.abc",
            cpu_usage_seconds=3.5,
            cpu_usage_cores=None,
            cpu_limit_cores=0.25,
            throttled_seconds=0.25,
            memory_usage_bytes=300,
            memory_working_set_bytes=200,
            memory_limit_bytes=256_000_000,
            network_rx_bytes=10,
            network_tx_bytes=20,
        )
    ]


@pytest.mark.parametrize("stats", [None, [], [None]])
def test_absent_stats_give_no_samples(stats: list[Any] | None) -> None:
    assert converted(stats) == []


def test_stats_missing_altogether_give_no_samples() -> None:
    info = decode_container(json.dumps({"id": ID}).encode())
    assert container_samples(info, run_id="r", node="n", machine=None, previous=None) == []


def test_absent_cpu_memory_and_network_are_none_in_the_sample() -> None:
    (sample,) = converted([at(1, cpu_seconds=None)])
    assert sample.cpu_usage_seconds is None
    assert sample.throttled_seconds is None
    assert sample.memory_usage_bytes is None
    assert sample.memory_working_set_bytes is None
    assert sample.network_rx_bytes is None
    assert sample.network_tx_bytes is None


def test_null_cpu_memory_and_network_are_none_in_the_sample() -> None:
    (sample,) = converted([{"timestamp": START.isoformat(), "cpu": None, "memory": None, "network": None}])
    assert (sample.cpu_usage_seconds, sample.memory_usage_bytes, sample.network_rx_bytes) == (
        None,
        None,
        None,
    )


def test_zeros_of_what_the_spec_says_it_has_not_are_none() -> None:
    point = at(1, 0.0, memory={"usage": 0, "working_set": 0}, network={"rx_bytes": 0, "tx_bytes": 0})
    (sample,) = converted([point], spec={"has_cpu": False, "has_memory": False, "has_network": False})
    assert (sample.cpu_usage_seconds, sample.memory_usage_bytes, sample.network_rx_bytes) == (
        None,
        None,
        None,
    )


def test_zeros_of_what_the_spec_has_are_measurements() -> None:
    point = at(1, 0.0, network={"rx_bytes": 0, "tx_bytes": 0})
    (sample,) = converted([point], spec={"has_cpu": True, "has_network": True})
    assert (sample.cpu_usage_seconds, sample.network_rx_bytes) == (0.0, 0)


def test_a_rate_is_cpu_used_over_the_nodes_own_time() -> None:
    assert rates(converted([at(0, 10.0), at(1.5, 10.3), at(2.5, 11.3)])) == [None, 0.2, 1.0]


def test_a_rate_reaches_back_to_the_previous_polls_last_sample() -> None:
    previous = CpuPoint(START, 10.0)
    assert rates(converted([at(0, 10.0), at(2, 11.0)], previous)) == [0.5]


def test_a_restarted_container_is_a_new_series_whose_first_rate_is_none() -> None:
    old = converted([at(0, 100.0), at(1, 100.5)])
    new = converted([at(2, 0.1)], id="b" * 64, name="/docker/" + "b" * 64)
    assert rates(old + new) == [None, 0.5, None]
    assert len({sample.container_id for sample in old + new}) == 2


def test_duplicate_points_count_once() -> None:
    samples = converted([at(0, 1.0), at(1, 1.5), at(1, 1.5), at(1.0001, 1.5), at(2, 2.0)])
    assert rates(samples) == [None, 0.5, 0.5]
    assert len({sample.key for sample in samples}) == len(samples)


def test_points_out_of_order_are_put_in_order() -> None:
    samples = converted([at(2, 3.0), at(0, 1.0), at(1, 1.5)])
    assert rates(samples) == [None, 0.5, 1.5]
    assert samples == sorted(samples, key=lambda sample: sample.timestamp)


def test_a_point_older_than_the_last_sample_is_left_out() -> None:
    assert converted([at(-1, 0.5), at(0, 1.0)], CpuPoint(START, 1.0)) == []


def test_a_counter_that_goes_backwards_gives_no_rate_and_then_rates_again() -> None:
    assert rates(converted([at(0, 50.0), at(1, 0.2), at(2, 0.7)])) == [None, None, 0.5]


def test_a_point_without_cpu_interrupts_the_rate() -> None:
    assert rates(converted([at(0, 1.0), at(1, None), at(2, 2.0), at(3, 2.5)])) == [None, None, None, 0.5]


def test_nanoseconds_and_offsets_become_utc_microseconds() -> None:
    (sample,) = converted([{"timestamp": "2024-05-01T14:00:00.123456789+02:00"}])
    assert sample.timestamp == datetime(2024, 5, 1, 12, 0, 0, 123457, tzinfo=UTC)
    assert sample.timestamp.tzinfo is UTC


@pytest.mark.parametrize(
    "never", ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00+02:00", "9999-12-31T23:59:59-02:00"]
)
def test_a_point_with_gos_zero_time_was_never_measured(never: str) -> None:
    assert len(converted([{"timestamp": never}, at(1)])) == 1


@pytest.mark.parametrize(
    ("cpu", "limit"),
    [
        (None, None),
        ({"limit": 1024}, None),
        ({"quota": 0, "period": 100_000}, None),
        ({"quota": -1, "period": 100_000}, None),
        ({"quota": 2**64 - 1, "period": 100_000}, None),
        ({"quota": None, "period": 100_000}, None),
        ({"quota": 50_000}, 0.5),
        ({"quota": 50_000, "period": 0}, 0.5),
        ({"quota": 50_000, "period": 50_000}, 1.0),
        ({"limit": 2, "quota": 150_000, "period": 100_000}, 1.5),
    ],
)
def test_a_cpu_limit_is_quota_over_period_or_none(cpu: dict[str, Any] | None, limit: float | None) -> None:
    (sample,) = converted([at(0)], spec={"cpu": cpu})
    assert sample.cpu_limit_cores == limit


@pytest.mark.parametrize(
    ("memory", "limit"),
    [
        (None, None),
        ({}, None),
        ({"limit": None}, None),
        ({"limit": 0}, None),
        ({"limit": -1}, None),
        ({"limit": 2**63 - 4096}, None),
        ({"limit": 2**63 - 65536}, None),
        ({"limit": 2**64 - 1}, None),
        ({"limit": 8 * 2**30}, None),
        ({"limit": 9 * 2**30}, None),
        ({"limit": 8 * 2**30 - 4096}, 8 * 2**30 - 4096),
        ({"limit": 256 * 2**20}, 256 * 2**20),
    ],
)
def test_a_memory_limit_is_below_the_machines_memory_or_none(
    memory: dict[str, Any] | None, limit: int | None
) -> None:
    (sample,) = converted([at(0)], spec={"memory": memory})
    assert sample.memory_limit_bytes == limit


def test_without_a_known_machine_only_the_impossible_limits_are_none() -> None:
    for memory_limit, expected in ((2**63 - 4096, None), (2**64 - 1, None), (2**35, 2**35)):
        (sample,) = converted([at(0)], machine=None, spec={"memory": {"limit": memory_limit}})
        assert sample.memory_limit_bytes == expected


@pytest.mark.parametrize(
    "name",
    [f"/docker/{ID}", f"/system.slice/docker-{ID}.scope", f"/my/parent/{ID}", f"/kubepods/{'0' * 64}/{ID}"],
)
def test_the_id_is_found_whatever_the_cgroup_is_called(name: str) -> None:
    for given in ({"id": ID}, {"id": ""}, {"id": None}):
        (sample,) = converted([at(0)], name=name, **given)
        assert sample.container_id == ID


def test_several_interfaces_are_summed_and_the_top_level_is_not_added() -> None:
    network = {
        "name": "eth0",
        "rx_bytes": 1,
        "tx_bytes": 2,
        "interfaces": [
            {"name": "eth0", "rx_bytes": 1, "tx_bytes": 2},
            {"name": "eth1", "rx_bytes": 10, "tx_bytes": 20},
            {"name": "eth2", "rx_bytes": 100, "tx_bytes": 200},
        ],
    }
    (sample,) = converted([at(0, network=network)])
    assert (sample.network_rx_bytes, sample.network_tx_bytes) == (111, 222)


@pytest.mark.parametrize("interfaces", [None, []])
def test_without_a_list_of_interfaces_the_top_level_counts(interfaces: list[Any] | None) -> None:
    (sample,) = converted([at(0, network={"rx_bytes": 7, "tx_bytes": 8, "interfaces": interfaces})])
    assert (sample.network_rx_bytes, sample.network_tx_bytes) == (7, 8)


def test_a_network_without_counters_is_none() -> None:
    (sample,) = converted([at(0, network={"tcp": {"Established": 1}})])
    assert (sample.network_rx_bytes, sample.network_tx_bytes) == (None, None)


@pytest.mark.parametrize("spec", [{}, None, {"labels": None}, {"labels": {}}, {"labels": {"a": "b"}}])
def test_without_labels_the_name_is_dockers_and_there_is_no_service(spec: dict[str, Any] | None) -> None:
    (sample,) = converted([at(0)], spec=spec, aliases=[ID, "/db"])
    assert (sample.service, sample.slot, sample.container_name) == (None, None, "db")


def test_without_labels_and_aliases_the_name_is_the_short_id() -> None:
    (sample,) = converted([at(0)], aliases=None)
    assert sample.container_name == ID[:12]


@pytest.mark.parametrize(
    ("service", "task", "slot"),
    [
        ("web", "web.1.xyz", 1),
        ("web", "web.12.xyz", 12),
        ("my.shop.web", "my.shop.web.3.xyz", 3),
        ("web.2", "web.2.5.xyz", 5),
        ("agent", "agent.k2i5nhx8ml9o0zp4aqw1ert7y.xyz", None),
        ("agent", f"agent.{'7' * 25}.xyz", None),
        ("web", "web", None),
        ("web", "", None),
        ("web", None, None),
        (None, "web.4.xyz", 4),
    ],
)
def test_the_slot_is_read_from_the_tasks_name(
    service: str | None, task: str | None, slot: int | None
) -> None:
    labels = {"com.docker.swarm.service.name": service, "com.docker.swarm.task.name": task}
    (sample,) = converted([at(0)], spec={"labels": {k: v for k, v in labels.items() if v is not None}})
    assert (sample.service, sample.slot) == (service, slot)


def test_unknown_fields_are_ignored_everywhere() -> None:
    point = at(0, 1.0, filesystem=[{"x": 1}], oom_events=3) | {"new": {"deep": [1]}}
    point["cpu"]["usage"]["per_cpu_usage"] = [1, 2]
    (sample,) = converted(
        [point], spec={"new": 1, "cpu": {"mask": "0-3"}}, subcontainers=[{"name": "/x"}], new=None
    )
    assert sample.cpu_usage_seconds == 1.0


def test_one_bad_container_does_not_cost_the_others() -> None:
    body = {
        "/docker/a": {"id": "a", "stats": [at(0)]},
        "/docker/b": {"id": "b", "stats": [{"timestamp": "yesterday"}]},
        "/docker/c": {"id": "c", "stats": [at(0) | {"cpu": {"usage": {"total": "many"}}}]},
        "/docker/d": None,
        "/docker/e": {"stats": [at(0)]},
        "/docker/f": {"id": "f", "stats": [{"timestamp": "2024-05-01T12:00:00"}]},
        "/docker/g": {"id": "g", "stats": [at(0)]},
    }
    reply = decode_containers(json.dumps(body).encode())
    assert [info.id for info in reply.containers] == ["a", "g"]
    assert [line.split(":")[0] for line in reply.rejected] == [f"container /docker/{x}" for x in "bcdef"]
    assert all("\n" not in line for line in reply.rejected)
    assert "$.stats[0].cpu.usage.total" in reply.rejected[1]


def test_no_containers_at_all_is_an_empty_reply() -> None:
    for body in (b"null", b"{}"):
        assert decode_containers(body).containers == ()


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"a": {"id": "x"}', b'{"a": {]}', b"\xff\xfe", b'"x"'])
def test_what_is_not_a_json_map_is_a_wire_error(body: bytes) -> None:
    with pytest.raises(WireError):
        decode_containers(body)


def test_the_newest_timestamp_is_found_in_any_order() -> None:
    info = decode_container(json.dumps({"id": ID, "stats": [at(1), at(5), None, at(3)]}).encode())
    assert newest_timestamp(info) == START + timedelta(seconds=5)
    assert newest_timestamp(decode_container(b"{}")) is None


def test_the_root_container_gives_the_whole_machines_samples() -> None:
    stats = [at(0, 100.0, memory={"usage": 5_000}), at(2, 103.0, memory={"usage": 6_000})]
    root = decode_container(json.dumps({"name": "/", "spec": {"has_cpu": False}, "stats": stats}).encode())
    samples, last = node_samples(
        root, run_id="run", node="node1", machine=MACHINE, previous=None, clock_offset_seconds=0.25
    )
    assert [sample.cpu_usage_cores for sample in samples] == [None, 1.5]
    assert [sample.memory_usage_bytes for sample in samples] == [5_000, 6_000]
    assert (samples[0].cores, samples[0].memory_capacity_bytes) == (4.0, 8 * 2**30)
    assert samples[1].clock_offset_seconds == 0.25
    assert last == CpuPoint(START + timedelta(seconds=2), 103.0)
    assert node_samples(
        root, run_id="run", node="node1", machine=None, previous=last, clock_offset_seconds=None
    ) == ([], last)
