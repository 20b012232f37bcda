"""What the doctor says of nodes, their cAdvisors and their clocks."""

from __future__ import annotations

from typing import Any

import pytest

from swarm_ext.doctor.node_watch import Measured, NodeWatch, watch
from swarm_ext.doctor.nodes import judge_cadvisor, judge_clock, judge_coverage, judge_nodes
from swarm_ext.model import Node
from tests.cadvisor_server import CAdvisorServer, FakeContainer, FakeNode

WEB, IDLE = "c0ffee" * 10 + "0000", "decade" * 10 + "0000"


def measured(name: str = "web.1", interval: float | None = 1.2, *, advanced: bool = True) -> Measured:
    return Measured(container_id=name, name=name, advanced=advanced, interval_seconds=interval)


def seen(*containers: Measured, **changes: Any) -> NodeWatch:
    return NodeWatch(
        **{"node": "node1", "url": "http://node1:70", "seconds": 12.0, "containers": containers, **changes}
    )


def node(name: str, state: Any) -> Node:
    return Node(id=name, name=name, address="10.0.0.1", state=state, cadvisor_url=None, cores=2)


# judgements


def test_containers_measured_every_second_or_two_are_fine() -> None:
    finding = judge_cadvisor(seen(measured(), measured("web.2", 1.9)))
    assert (finding.status, finding.text) == (
        "ok",
        "all of its containers (2) are measured at least every 1.9 s",
    )


@pytest.mark.parametrize(
    ("container", "shown"),
    [
        (measured("idle.1", 16.0), "idle.1 every 16 s"),
        (measured("idle.1", 16.0, advanced=False), "idle.1 every 16 s"),
        (measured("idle.1", 1.0, advanced=False), "idle.1 not within 12 s"),
        (measured("idle.1", None, advanced=False), "idle.1 not within 12 s"),
    ],
)
def test_an_idle_container_that_is_measured_rarely_is_wrong_and_the_flag_is_named(
    container: Measured, shown: str
) -> None:
    finding = judge_cadvisor(seen(measured(), container))
    assert finding.status == "wrong"
    assert f"1 of 2 containers too rarely ({shown})" in finding.text
    assert finding.remedy is not None
    assert "--allow_dynamic_housekeeping=false" in finding.remedy


def test_a_cadvisor_that_measures_nothing_more_needs_cpu() -> None:
    finding = judge_cadvisor(seen(measured(advanced=False), measured("web.2", advanced=False)))
    assert finding.status == "wrong"
    assert "nothing new for 12 s" in finding.text
    assert finding.remedy is not None
    assert "give it CPU" in finding.remedy


def test_a_cadvisor_without_containers_does_not_see_docker() -> None:
    finding = judge_cadvisor(seen())
    assert finding.status == "wrong"
    assert finding.remedy is not None
    assert "/var/run" in finding.remedy


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        ("http://node1:70: connection refused: nothing listens there; is it?", "docker service ps"),
        ("http://node1:70: no connection within 2 s; is the node up?", "open its TCP port"),
        ("http://node1:70: HTTP 404 Not Found", "see that it is cAdvisor that answers there"),
    ],
)
def test_a_cadvisor_that_does_not_answer_is_told_with_what_to_do_about_it(error: str, remedy: str) -> None:
    finding = judge_cadvisor(seen(error=error))
    assert finding.status == "wrong"
    assert finding.text == error.partition("; ")[0]
    assert finding.remedy is not None
    assert remedy in finding.remedy


def test_containers_that_cannot_be_read_are_a_warning() -> None:
    assert judge_cadvisor(seen(measured(), rejected=("container /x: bad",))).status == "warning"


def test_a_clock_that_is_off_by_more_than_a_second_is_a_warning() -> None:
    near, far = judge_clock(seen(clock_offset_seconds=-0.4)), judge_clock(seen(clock_offset_seconds=3.25))
    assert near is not None
    assert (near.status, near.text) == ("ok", "0.4 s behind this machine's")
    assert far is not None
    assert far.status == "warning"
    assert far.text.startswith("3.2 s ahead of this machine's")
    assert judge_clock(seen()) is None


def test_nodes_that_are_down_or_drained_are_warnings_and_none_that_is_ready_is_wrong() -> None:
    findings = judge_nodes([node("a", "ready"), node("b", "down"), node("c", "drain")])
    assert [(finding.status, finding.subject) for finding in findings] == [
        ("ok", "nodes"),
        ("warning", "node b"),
        ("warning", "node c"),
    ]
    assert judge_nodes([node("b", "down")])[-1].status == "wrong"


def test_a_replica_that_its_nodes_cadvisor_does_not_know_is_wrong() -> None:
    watches = [seen(measured("a")), seen(node="node2", error="refused")]
    covered = judge_coverage("web", [("a", "node1"), ("b", "node2")], watches)
    assert covered is not None
    assert covered.status == "ok"
    missing = judge_coverage("web", [("a", "node1"), ("z", "node1")], watches)
    assert missing is not None
    assert (missing.status, "node1" in missing.text) == ("wrong", True)
    assert judge_coverage("web", [("b", "node2")], watches) is None


# the watch itself


def test_a_watch_sees_who_is_measured_how_often_and_the_clock() -> None:
    fake = FakeNode(
        [FakeContainer(id=WEB), FakeContainer(id=IDLE, name="idle")],
        housekeeping_seconds=0.5,
        clock_offset_seconds=120.0,
    )
    fake.freeze(IDLE)
    with CAdvisorServer(fake.respond) as server:
        found = watch("node1", server.url, patience_seconds=1.0)
    by_id = {each.container_id: each for each in found.containers}
    assert by_id[WEB].advanced
    assert by_id[WEB].interval_seconds == pytest.approx(0.5)
    assert not by_id[IDLE].advanced
    assert found.error is None
    assert found.clock_offset_seconds == pytest.approx(120.0, abs=0.7)
    assert judge_cadvisor(found).status == "wrong"


def test_a_watch_of_nobody_tells_why() -> None:
    found = watch("node1", "http://127.0.0.1:1")
    assert found.error is not None
    assert "connection refused" in found.error
