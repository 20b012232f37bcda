"""`swarm-ext sample` on a real swarm: every node's containers, without any load."""

from __future__ import annotations

import csv
import json
import signal
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from swarm_ext.model import ContainerSample, NodeSample, ServiceSample
from swarm_ext.store import open_store
from tests.integration.bed.swarm import until
from tests.integration.docker_services import cadvisors, service, wait_for_points
from tests.integration.swarm_ext_process import run_command, running_command

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.bed.swarm import Bed

SERVICE = "sampled"


@pytest.fixture(scope="module")
def environment(bed: Bed) -> Iterator[dict[str, str]]:
    """Of a program that talks to the bed's manager, while each node runs a cAdvisor and a replica."""
    with cadvisors(bed), service(bed, SERVICE, "--mode", "global"):
        until(lambda: len(bed.running(SERVICE)) == len(bed.running("cadvisor")) == 3, "each node has both")
        wait_for_points(bed, SERVICE, "cadvisor")
        yield {"DOCKER_HOST": bed.manager.docker_host}


def test_ctrl_c_leaves_a_finished_run_with_samples_of_every_node_and_a_report_that_makes_sense(
    environment: dict[str, str], tmp_path: Path
) -> None:
    words = ("sample", "--service", SERVICE, "--out", "samples.csv", "--store", "sqlite:///runs.db")
    with running_command(tmp_path, *words, environment=environment) as sampling:
        sampling.wait_for(r"[1-9]\d* samples, .* of [6-9] containers on 3 nodes")
        assert sampling.end(signal.SIGINT) == 0, sampling.output
    assert "kept in sqlite:///runs.db and samples.csv" in sampling.output.splitlines()[-1]

    with closing(open_store(f"sqlite:///{tmp_path}/runs.db", must_exist=True)) as store:
        run = store.run("latest")
        stored = list(store.read(run.id, ContainerSample))
        nodes = {sample.node for sample in store.read(run.id, NodeSample)}
        states = list(store.read(run.id, ServiceSample))
    assert run.exit_status == "finished"
    assert run.end is not None
    assert (run.swarm, run.service, run.options["command"]) == ("docker", SERVICE, "sample")
    assert nodes == {"node1", "node2", "node3"}
    assert {(sample.node, sample.service) for sample in stored} >= {(node, SERVICE) for node in nodes}
    assert max(state.ready for state in states) == 3

    with (tmp_path / "samples.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["container_id"] for row in rows} == {sample.container_id for sample in stored}
    assert len(rows) == len(stored)
    assert float(rows[-1]["memory_usage_bytes"]) > 0
    with (tmp_path / "samples.services.csv").open() as file:
        *_, last = csv.DictReader(file)
    assert len(json.loads(last["tasks"])) == 3


def test_a_cadvisor_that_is_named_needs_no_swarm(
    bed: Bed, environment: dict[str, str], tmp_path: Path
) -> None:
    url = f"http://{bed.engines[1].host.address}:70"
    ended = run_command(
        tmp_path, "sample", "--cadvisor", url, "--duration", "6", "--out", "samples.json", environment={}
    )
    assert ended.code == 0, ended.errors
    records = [json.loads(line) for line in (tmp_path / "samples.json").read_text().splitlines()]
    assert {record["kind"] for record in records} == {"ContainerSample", "NodeSample"}
    assert {record["service"] for record in records if record["kind"] == "ContainerSample"} >= {SERVICE}
    assert not (tmp_path / "swarm-ext.db").exists()
