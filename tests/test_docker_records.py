"""What is made of the Docker Engine API's answers: each awkward value by itself, as JSON from real engines has it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from swarm_ext.swarm import SwarmError, UnknownServiceError
from swarm_ext.swarm.docker_names import find_service
from swarm_ext.swarm.docker_records import node_records, service_state
from swarm_ext.swarm.docker_scaling import check_watchable, with_replicas
from swarm_ext.swarm.docker_wire import WireNode, WireService, WireTask, decode, refusal

SINCE = "2026-11-22T05:19:33.104611226Z"


def a_node(
    id_: str = "n1", *, hostname: str = "node1", address: str = "10.0.0.1", **more: Any
) -> dict[str, Any]:
    return {
        "ID": id_,
        "Spec": {"Labels": more.get("labels", {}), "Availability": more.get("availability", "active")},
        "Description": {"Hostname": hostname, "Resources": {"NanoCPUs": 2_000_000_000}},
        "Status": {"State": more.get("state", "ready"), "Addr": address},
        **({"ManagerStatus": {"Addr": more["manager"]}} if "manager" in more else {}),
    }


def nodes(*found: dict[str, Any], local_address: str | None = None) -> list[tuple[str, str, str | None]]:
    wire = decode(json.dumps(found).encode(), list[WireNode])
    return [(node.name, node.state, node.cadvisor_url) for node in node_records(wire, 70, local_address)]


@pytest.mark.parametrize(
    ("node", "url"),
    [
        (a_node(), "http://10.0.0.1:70"),
        (a_node(address="0.0.0.0", manager="10.0.0.7:2377"), "http://10.0.0.7:70"),
        (a_node(address="127.0.0.1", manager="10.0.0.7:2377"), "http://10.0.0.7:70"),
        (a_node(address="", manager="[fd00::7]:2377"), "http://[fd00::7]:70"),
        (a_node(address="fd00::1"), "http://[fd00::1]:70"),
        (a_node(labels={"swarm-ext.address": "node1.example"}), "http://node1.example:70"),
        (a_node(address="127.0.0.1", manager="127.0.0.1:2377"), "http://127.0.0.1:70"),
    ],
)
def test_a_nodes_cadvisor_is_where_the_node_can_be_reached(node: dict[str, Any], url: str) -> None:
    assert nodes(node) == [("node1", "ready", url)]


def test_a_manager_that_knows_only_loopback_is_reached_where_docker_host_leads() -> None:
    node = a_node(address="127.0.0.1", manager="127.0.0.1:2377")
    assert nodes(node, local_address="swarm.example") == [("node1", "ready", "http://swarm.example:70")]


@pytest.mark.parametrize(
    ("more", "state"),
    [
        ({"state": "down"}, "down"),
        ({"state": "down", "availability": "drain"}, "down"),
        ({"availability": "drain"}, "drain"),
    ],
)
def test_no_cadvisor_is_expected_on_a_node_that_is_down_or_drained(more: dict[str, Any], state: str) -> None:
    assert nodes(a_node(**more)) == [("node1", state, None)]


@pytest.mark.parametrize(
    ("more", "state"), [({"state": "disconnected"}, "unknown"), ({"availability": "pause"}, "ready")]
)
def test_a_node_that_is_paused_or_was_lost_sight_of_still_runs_its_tasks(
    more: dict[str, Any], state: str
) -> None:
    assert nodes(a_node(**more)) == [("node1", state, "http://10.0.0.1:70")]


def test_nodes_of_the_same_host_name_are_told_apart() -> None:
    found = nodes(a_node("aaaaaaaa"), a_node("bbbbbbbb"), a_node("c", hostname="other"))
    assert [name for name, *_ in found] == ["node1-aaaaa", "node1-bbbbb", "other"]


def test_a_label_that_is_no_address_is_told_with_the_remedy() -> None:
    with pytest.raises(
        SwarmError, match=r"node node1: its label swarm-ext.address is 'a b', which is no address"
    ):
        nodes(a_node(labels={"swarm-ext.address": "a b"}))


# Services


def a_service(name: str = "shop_web", *, mode: Any = None, labels: Any = None, **more: Any) -> dict[str, Any]:
    template = {"ContainerSpec": {"Image": "web"}, "Resources": more.get("resources", {}), "ForceUpdate": 0}
    return {
        "ID": f"id of {name}",
        "Version": {"Index": 7},
        "Spec": {
            "Name": name,
            "Labels": labels,
            "TaskTemplate": template,
            "Mode": mode or {"Replicated": {"Replicas": 2}},
        },
        **({"UpdateStatus": {"State": more["update"]}} if "update" in more else {}),
    }


def a_task(slot: int = 1, *, state: str = "running", desired: str = "running", **more: Any) -> dict[str, Any]:
    return {
        "ID": more.get("id", f"t{slot}"),
        "Slot": slot,
        "NodeID": more.get("node", "n1"),
        "DesiredState": desired,
        "Status": {
            "Timestamp": more.get("since", SINCE),
            "State": state,
            "Err": more.get("error", ""),
            "ContainerStatus": {"ContainerID": f"c{slot}"},
        },
    }


def wire_service(found: dict[str, Any]) -> WireService:
    return decode(json.dumps(found).encode(), WireService)


def wire_tasks(*found: dict[str, Any]) -> list[WireTask]:
    return decode(json.dumps(found).encode(), list[WireTask])


def test_replicas_that_should_run_and_do_are_counted_and_others_are_not() -> None:
    tasks = wire_tasks(
        a_task(1),
        a_task(2, state="starting"),
        a_task(3, desired="remove"),
        a_task(4, state="ready", desired="ready"),
    )
    state = service_state(wire_service(a_service()), tasks, [], {"n1": "node1"})
    assert (state.desired, state.running, state.ready, state.pending) == (2, 1, 1, 2)
    assert [(task.slot, task.state, task.desired_state) for task in state.tasks] == [
        (1, "running", "running"),
        (2, "starting", "running"),
        (3, "running", "remove"),
        (4, "ready", "ready"),
    ]
    first = state.tasks[0]
    assert (first.node, first.container_id, first.ready) == ("node1", "c1", True)
    assert first.since == datetime(2026, 11, 22, 5, 19, 33, 104611, tzinfo=UTC)


def test_the_newest_reason_is_told_of_a_slot_in_which_nothing_runs() -> None:
    ended = wire_tasks(
        a_task(1, id="old", state="failed", desired="shutdown", error="first", since="2026-11-22T05:00:00Z"),
        a_task(1, id="new", state="failed", desired="shutdown", error="task: non-zero exit (3)"),
        a_task(2, id="past", state="failed", desired="shutdown", error="is over"),
    )
    state = service_state(
        wire_service(a_service()), wire_tasks(a_task(1, state="preparing"), a_task(2)), ended, {}
    )
    assert [task.error for task in state.tasks if task.error] == ["task: non-zero exit (3)"]


def test_a_task_that_is_nowhere_yet_and_a_node_that_is_gone_have_names() -> None:
    waiting = {**a_task(1, state="pending", error="no suitable node"), "NodeID": ""}
    state = service_state(wire_service(a_service()), wire_tasks(waiting, a_task(2, node="x" * 25)), [], {})
    assert [(task.node, task.error) for task in state.tasks] == [("", "no suitable node"), ("x" * 12, None)]


@pytest.mark.parametrize(
    ("mode", "desired", "kind"),
    [
        ({"Replicated": {"Replicas": 0}}, 0, "replicated"),
        ({"Replicated": {}}, 1, "replicated"),
        ({"Global": {}}, 3, "global"),
    ],
)
def test_the_desired_replicas_depend_on_the_mode(mode: dict[str, Any], desired: int, kind: str) -> None:
    state = service_state(wire_service(a_service(mode=mode)), wire_tasks(*map(a_task, (1, 2, 3))), [], {})
    assert (state.desired, state.mode) == (desired, kind)


def test_a_job_cannot_be_watched() -> None:
    with pytest.raises(SwarmError, match="service shop_web is a job, which ends by itself"):
        check_watchable(wire_service(a_service(mode={"ReplicatedJob": {"MaxConcurrent": 1}})))


def test_limits_are_told_in_cores_and_bytes_and_their_absence_as_none() -> None:
    resources = {
        "Limits": {"NanoCPUs": 250_000_000, "MemoryBytes": 2**28},
        "Reservations": {"NanoCPUs": 100_000_000},
    }
    limited = service_state(wire_service(a_service(resources=resources)), [], [], {})
    assert (limited.cpu_limit_cores, limited.cpu_reservation_cores, limited.memory_limit_bytes) == (
        0.25,
        0.1,
        2**28,
    )
    free = service_state(wire_service(a_service(resources={"Limits": {}})), [], [], {})
    assert (free.cpu_limit_cores, free.cpu_reservation_cores, free.memory_limit_bytes) == (None, None, None)


def test_the_state_of_an_update_is_told_in_the_swarms_words() -> None:
    assert (
        service_state(wire_service(a_service(update="rollback_paused")), [], [], {}).update_state
        == "rollback_paused"
    )
    assert service_state(wire_service(a_service()), [], [], {}).update_state is None


# Names


def of_stack(stack: str, name: str) -> WireService:
    return wire_service(a_service(name, labels={"com.docker.stack.namespace": stack}))


def test_a_full_name_is_meant_even_where_it_is_another_stacks_short_one() -> None:
    services = [of_stack("shop", "shop_web"), wire_service(a_service("web"))]
    assert find_service("web", services).spec.name == "web"
    assert find_service("shop_web", services).spec.name == "shop_web"


def test_a_short_name_is_a_services_without_its_stacks() -> None:
    services = [of_stack("shop", "shop_web"), wire_service(a_service("other_api"))]
    assert find_service("web", services).spec.name == "shop_web"
    with pytest.raises(UnknownServiceError, match="no service 'api'; give one of other_api, shop_web"):
        find_service("api", services)  # of no stack: its name only looks like that


def test_a_swarm_without_services_says_so() -> None:
    with pytest.raises(UnknownServiceError, match="it has no service at all: deploy it first"):
        find_service("web", [])


# What is sent


def test_what_is_sent_is_what_was_stored_but_for_the_replicas() -> None:
    stored = a_service(labels={"ü": '"'}) | {"Endpoint": {"Ports": []}}
    stored["Spec"]["UpdateConfig"] = {"MaxFailureRatio": 0.3, "Delay": 9_007_199_254_740_993}
    sent = json.loads(with_replicas(json.dumps(stored).encode(), 5))
    assert sent == stored["Spec"] | {"Mode": {"Replicated": {"Replicas": 5}}}


def test_an_answer_that_is_not_the_apis_is_told_in_one_line() -> None:
    with pytest.raises(SwarmError, match="the Docker engine's answer is not what its API says"):
        decode(b"<html>", list[WireNode])
    assert refusal(b'{"message":"rpc error:\\n out of sequence"}') == "rpc error: out of sequence"
    assert refusal(b"<html>\n no </html>") == "<html> no </html>"
