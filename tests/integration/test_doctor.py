"""`swarm-ext doctor` on a real swarm: all is well, and then one thing after the other is not."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from tests.integration.bed.swarm import until
from tests.integration.docker_services import (
    CADVISOR_FLAGS,
    WITHOUT_CADVISOR,
    cadvisors,
    service,
    wait_for_points,
)
from tests.integration.ports import free_port
from tests.integration.swarm_ext_process import EndedCommand, run_command

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.bed.swarm import Bed

HEALTHY = "patient"
LABELS = ("--label", "swarm.autoscaler=true", "--label", "swarm.autoscaler.maximum=6")
LAZY_PORT = 71


@pytest.fixture(scope="module")
def swarm(bed: Bed) -> Iterator[Bed]:
    """The bed with a healthy service, cAdvisor on every node, and on another port one that measures idle ones rarely."""
    options = ("--replicas", "2", "--limit-cpu", "0.2", *LABELS)
    lazy = [flag for flag in CADVISOR_FLAGS if "dynamic" not in flag]
    with cadvisors(bed), cadvisors(bed, "lazy", port=LAZY_PORT, flags=lazy), service(bed, HEALTHY, *options):
        until(lambda: len(bed.running(HEALTHY)) == 2, "the service runs")
        until(lambda: len(bed.running("cadvisor")) == 3, "every node has a cAdvisor")
        wait_for_points(bed, HEALTHY, "cadvisor")
        yield bed


@pytest.fixture
def doctor(swarm: Bed, tmp_path: Path) -> Doctor:
    return Doctor(swarm, tmp_path)


class Doctor:
    """Examines the bed's swarm, with a store in a folder of its own."""

    def __init__(self, bed: Bed, folder: Path) -> None:
        self._bed = bed
        self._folder = folder

    def __call__(self, *words: str, docker_host: str | None = None) -> EndedCommand:
        environment = {"DOCKER_HOST": docker_host or self._bed.manager.docker_host}
        return run_command(self._folder, "doctor", *words, environment=environment)


def says(examined: EndedCommand, status: str, subject: str, text: str, remedy: str = "") -> None:
    """Assert that a line has that status and subject, and `text`, and the line below it `remedy` (both patterns)."""
    below = rf"\n\s+→ .*{remedy}" if remedy else ""
    pattern = rf"^{status}\s+{subject}: .*{text}.*{below}"
    assert re.search(pattern, examined.output, re.MULTILINE), f"no {pattern!r} in\n{examined.output}"


def test_a_healthy_swarm_is_all_ok_and_left_as_it_was(doctor: Doctor, tmp_path: Path) -> None:
    examined = doctor()
    assert examined.code == 0, examined.output
    assert "wrong" not in examined.output
    assert "not checked" not in examined.output
    for node in ("node1", "node2", "node3"):
        says(examined, "ok", f"cAdvisor of {node}", "are measured at least every")
        says(examined, "ok", f"clock of {node}", "this machine's")
    says(examined, "ok", f"labels of {HEALTHY}", "scaled between 1 and 6 replicas")
    says(examined, "ok", f"samples of {HEALTHY}", r"\(2\) are measured")
    assert list(tmp_path.iterdir()) == []


def test_a_worker_is_no_manager_and_what_needs_none_is_examined_all_the_same(
    doctor: Doctor, swarm: Bed
) -> None:
    examined = doctor(docker_host=swarm.engines[1].docker_host)
    assert examined.code == 1
    manager = swarm.manager.host.address
    says(
        examined,
        "wrong",
        "Docker",
        "is a worker of its swarm, not a manager",
        f"set DOCKER_HOST to a manager: {manager}",
    )
    says(examined, "not checked", "cAdvisor", "Docker did not answer")
    says(examined, "not checked", "services", "Docker did not answer")
    says(examined, "ok", "store", "can be made")


def test_a_node_whose_cadvisor_has_ended_is_named(doctor: Doctor, swarm: Bed) -> None:
    swarm.manager.docker("node", "update", "--label-add", f"{WITHOUT_CADVISOR}=yes", "node3")
    try:
        here = ("ps", "-q", "-f", "label=com.docker.swarm.service.name=cadvisor")
        until(lambda: not swarm.engines[2].docker(*here).strip(), "node3 has no cAdvisor")
        examined = doctor()
        assert examined.code == 1
        says(examined, "wrong", "cAdvisor of node3", "connection refused", "docker service ps")
        says(examined, "ok", "cAdvisor of node1", "measured")
    finally:
        swarm.manager.docker("node", "update", "--label-rm", WITHOUT_CADVISOR, "node3")
    until(lambda: len(swarm.running("cadvisor")) == 3, "every node has a cAdvisor again")
    wait_for_points(swarm, "cadvisor")


def test_a_service_that_is_not_there_is_named_with_those_that_are(doctor: Doctor) -> None:
    examined = doctor("--service", "shop")
    assert examined.code == 1
    says(examined, "wrong", "service shop", "the swarm has no service 'shop'", f"give one of .*{HEALTHY}")


def test_what_is_wrong_with_each_service_is_told_with_its_remedy(doctor: Doctor, swarm: Bed) -> None:
    unlimited = service(swarm, "unlimited", *LABELS)
    misplaced = service(
        swarm, "misplaced", "--container-label", "swarm.autoscaler=true", "--limit-cpu", "0.2"
    )
    upside_down = service(
        swarm, "crossed", *LABELS, "--label", "swarm.autoscaler.minimum=9", "--limit-cpu", "0.2"
    )
    huge = service(swarm, "huge", *LABELS, "--reserve-cpu", "999")
    with unlimited, misplaced, upside_down, huge:
        until(lambda: all(swarm.running(name) for name in ("unlimited", "misplaced", "crossed")), "they run")
        until(
            lambda: "insufficient" in swarm.manager.docker("service", "ps", "--no-trunc", "huge"),
            "one does not",
        )
        examined = doctor()
    assert examined.code == 1
    says(
        examined,
        "wrong",
        "CPU limit of unlimited",
        "neither a limit nor a reservation",
        "--limit-cpu 0.5 unlimited",
    )
    says(
        examined, "wrong", "labels of misplaced", "swarm.autoscaler: on its containers",
        "--label-add swarm.autoscaler=true misplaced",
    )  # fmt: skip
    says(examined, "wrong", "labels of crossed", "maximum is 6, below .*minimum, which is 9", "raise the one")
    says(examined, "wrong", "tasks of huge", "insufficient resources on 3 nodes", "add a node, lower")
    says(examined, "ok", f"CPU limit of {HEALTHY}", "0.2 cores")
    assert examined.output.count("wrong ") == 5, examined.output  # huge has no replica ready, either


def test_a_store_that_is_down_is_told_and_the_rest_examined(doctor: Doctor) -> None:
    examined = doctor("--store", f"mongodb://reader:secret@127.0.0.1:{free_port()}/runs")
    assert examined.code == 1
    says(examined, "wrong", "store", r"mongodb://reader:\*\*\*@127.0.0.1:.*refused", "start the server")
    says(examined, "ok", "spool", "nothing waits")
    says(examined, "ok", f"labels of {HEALTHY}", "scaled between")
    assert "secret" not in examined.output


def test_idle_containers_that_are_measured_rarely_are_told_with_the_flag_that_changes_it(
    doctor: Doctor,
) -> None:
    def examined() -> EndedCommand:
        return doctor("--cadvisor-port", str(LAZY_PORT), "--service", HEALTHY)

    seen = [examined()]
    while seen[-1].code != 1 and len(seen) < 20:  # they are measured ever less often
        seen.append(examined())
    says(seen[-1], "wrong", "cAdvisor of node[123]", "too rarely", "--allow_dynamic_housekeeping=false")


def test_other_programs_get_json(doctor: Doctor) -> None:
    examined = doctor("--json", "--service", HEALTHY)
    found = {finding["subject"]: finding for finding in json.loads(examined.output)}
    assert found["nodes"]["status"] == "ok"
    assert found[f"CPU limit of {HEALTHY}"] == {
        "status": "ok",
        "subject": f"CPU limit of {HEALTHY}",
        "text": "0.2 cores a replica",
        "remedy": None,
    }
