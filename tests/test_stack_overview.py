"""What `stack display` shows."""

from __future__ import annotations

from swarm_ext.commands.stack_text import stack_text
from swarm_ext.stack.overview import overview
from swarm_ext.swarm.docker_records import node_records
from tests.stack_looks import node, service, stack, task

NODES = [node("n1", manager=True), node("n22"), node("n333", state="down")]
SEEN = stack(
    [
        service("cadvisor", replicas=None, ports=[{"TargetPort": 8080, "PublishedPort": 70, "PublishMode": "host"}]),
        service("mongo", ports=[{"TargetPort": 27017, "PublishedPort": 3306, "PublishMode": "host"}]),
        service("visualizer", ports=[{"TargetPort": 8080, "PublishedPort": 88, "PublishMode": "ingress"}]),
        service(
            "web",
            replicas=2,
            image="shop:2@sha256:0000",
            ports=[{"TargetPort": 8080, "PublishedPort": 80, "PublishMode": "ingress"}],
        ),
    ],
    [
        task("cadvisor", None, node="n1"),
        task("cadvisor", None, node="n22", state="starting"),
        task("mongo", node="n1"),
        task("visualizer", node="n1"),
        task("web", 2, node="n22", image="shop:2@sha256:0000"),
        task("web", 1, state="pending", error="no suitable\nnode"),
        task("web", 1, state="failed", desired="shutdown", node="n22", error="old"),
    ],
    NODES,
)  # fmt: skip
OVERVIEW = overview(SEEN, node_records(NODES, 70, None))


def test_each_port_is_told_where_it_is_reached() -> None:
    assert [(address.service, address.node, address.url) for address in OVERVIEW.addresses] == [
        ("shop_cadvisor", "n1", "http://10.0.0.2:70/"),
        ("shop_mongo", "n1", "mongodb://10.0.0.2:3306/"),
        ("shop_visualizer", None, "http://10.0.0.2:88/"),
        ("shop_web", None, "http://10.0.0.2/primecheck"),
    ]


def test_tasks_that_ended_are_not_shown() -> None:
    assert [(line.service, line.slot, line.state, line.error) for line in OVERVIEW.tasks[-2:]] == [
        ("shop_web", 1, "pending", "no suitable node"),
        ("shop_web", 2, "running", None),
    ]


def test_nodes_have_their_role_and_state() -> None:
    assert [(line.name, line.role, line.state) for line in OVERVIEW.nodes] == [
        ("n1", "manager", "ready"),
        ("n22", "worker", "ready"),
        ("n333", "worker", "down"),
    ]


def test_the_text_has_a_table_for_each() -> None:
    lines = list(stack_text(OVERVIEW))
    assert lines[0].split() == ["NODE", "ADDRESS", "ROLE", "STATE", "CORES"]
    words = [" ".join(line.split()) for line in lines]
    assert "shop_web replicated 1/2 - shop:2" in words
    assert "shop_web.1 - pending 2026-11-22 10:00:00 no suitable node" in words
    assert "shop_web every node http://10.0.0.2/primecheck" in words
