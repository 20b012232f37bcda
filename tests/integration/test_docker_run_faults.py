"""What breaks during a run against a real swarm, and what the run makes of it."""

from __future__ import annotations

import itertools
import json
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from swarm_ext.model import ContainerSample, LoadSample, NodeSample, ScalingDecision, ServiceSample
from swarm_ext.store import open_store
from tests.integration.bed.swarm import until
from tests.integration.docker_services import LONGEST_GAP_SECONDS
from tests.integration.shop import SERVICE, Shop, deployed_shop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from swarm_ext.model import Record, Run
    from tests.integration.bed.swarm import Bed

CUT_SECONDS = 30
KINDS = (ContainerSample, LoadSample, NodeSample, ScalingDecision, ServiceSample)

NOTING = """
import json
import swarm_ext.plugin
from locust import task
from swarm_ext import events
from swarm_ext.users import PoissonUser

class Visitor(PoissonUser):
    @task
    def visit(self):
        self.client.get(self.path)

notes = open("seen.jsonl", "w", buffering=1)

def note(records):
    for record in records:
        notes.write(json.dumps([type(record).__name__, record.key]) + chr(10))

events.container_samples.add_listener(lambda samples, **_: note(samples))
events.node_samples.add_listener(lambda samples, **_: note(samples))
events.load_samples.add_listener(lambda samples, **_: note(samples))
events.service_samples.add_listener(lambda samples, **_: note(samples))
events.scaling_decision.add_listener(lambda decision, **_: note([decision]))
"""


@pytest.fixture(scope="module")
def shop(bed: Bed) -> Iterator[Shop]:
    with deployed_shop(bed) as it:
        yield it


@dataclass(frozen=True)
class Broken:
    """A run during which a cAdvisor was cut off, the database was killed, and then a node; instants since the epoch."""

    run: Run
    records: dict[type[Record], list[Record]]
    seen: dict[str, list[str]]
    cut: tuple[float, float]
    dead: float
    output: str

    def of(self, kind: type[Record]) -> list[Record]:
        return self.records[kind]


@pytest.fixture(scope="module")
def broken(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Broken:
    bed = shop.bed
    folder = tmp_path_factory.mktemp("faults")
    (folder / "noting.py").write_text(NOTING)
    locust = shop.locust(
        folder, "-u", "2", "--lamb", "2", "-t", "110s", "--exit-code-on-error", "0", "--seed", "5",
        "--autoscale", "target-utilisation", "--autoscale-interval", "5", "--dry-run",
        locustfile=folder / "noting.py",
    )  # fmt: skip
    locust.wait_for("All users spawned")
    time.sleep(8)
    node2, node3 = bed.engines[1], bed.engines[2]
    # where a packet for the published port comes in, before the engine's own rules lead it elsewhere
    rule = ("PREROUTING", "-i", "eth0", "-p", "tcp", "--dport", "70", "-j", "DROP")
    node2.host.run("iptables", "-w", "-t", "raw", "-I", *rule)
    begin = time.time()
    try:
        (database,) = bed.manager.docker("ps", "-q", "--filter", "name=shop_mongo").split()
        bed.manager.docker("kill", "--signal", "KILL", database)
        time.sleep(CUT_SECONDS)
    finally:
        node2.host.run("iptables", "-w", "-t", "raw", "-D", *rule)
    cut = (begin, time.time())
    time.sleep(5)
    node3.kill()
    dead = time.time()
    try:
        ended = locust.end(200)
    finally:
        node3.start()
        node3.wait()
        words = ("node", "ls", "--format", "{{.Status}}")
        until(lambda: bed.manager.docker(*words).split() == ["Ready"] * 3, "the killed node has come back")
    assert ended.code == 0, ended.output
    seen: dict[str, list[str]] = defaultdict(list)
    for line in (folder / "seen.jsonl").read_text().splitlines():
        kind, key = json.loads(line)
        seen[kind].append(key)
    store = open_store(shop.store, must_exist=True)
    try:
        run = store.run("latest")
        records = {kind: list(store.read(run.id, kind)) for kind in KINDS}
    finally:
        store.close()
    return Broken(run, records, seen, cut, dead, ended.output)


def test_what_a_cadvisor_measured_while_it_was_cut_off_is_in_the_store_afterwards(broken: Broken) -> None:
    begin, end = broken.cut
    by_container: dict[str, list[float]] = defaultdict(list)
    for sample in broken.of(ContainerSample):
        if sample.node == "node2":
            by_container[sample.container_id].append(sample.timestamp.timestamp())
    checked = 0
    for times in by_container.values():
        if times[0] < begin and times[-1] > end:
            gaps = [b - a for a, b in itertools.pairwise(times) if begin - 3 < b and a < end + 3]
            assert max(gaps) <= LONGEST_GAP_SECONDS
            checked += 1
    assert checked >= 2  # a web replica, and cAdvisor itself


def test_being_cut_off_is_said_once_and_counted(broken: Broken) -> None:
    lines = [
        line for line in broken.output.splitlines() if "/WARNING/" in line and "cAdvisor of node2" in line
    ]
    assert len(lines) == 2, broken.output
    assert "no answer" in lines[0] or "no connection" in lines[0]
    assert "works again" in lines[1]
    (trouble,) = [trouble for trouble in broken.run.troubles if trouble.source == "cAdvisor of node2"]
    assert trouble.count >= 5


def test_a_killed_database_loses_nothing_and_doubles_nothing(broken: Broken) -> None:
    for kind in KINDS:
        stored = sorted(record.key for record in broken.of(kind))
        assert stored == sorted(broken.seen[kind.__name__]), kind.__name__
    assert broken.seen["ContainerSample"]


def test_the_load_goes_on_while_a_node_is_dead(broken: Broken) -> None:
    after = [sample for sample in broken.of(LoadSample) if sample.timestamp.timestamp() > broken.dead]
    assert len(after) >= 30
    assert sum(sample.offered for sample in after) == pytest.approx(4 * len(after), rel=0.35)
    assert broken.run.totals is not None
    assert broken.run.totals.offered == sum(sample.offered for sample in broken.of(LoadSample))


def test_the_other_nodes_samples_go_on_while_a_node_is_dead(broken: Broken) -> None:
    for node in ("node1", "node2"):
        times = [
            sample.timestamp.timestamp()
            for sample in broken.of(NodeSample)
            if sample.node == node and sample.timestamp.timestamp() > broken.dead
        ]
        assert len(times) >= 30
        assert max(b - a for a, b in itertools.pairwise(times)) <= LONGEST_GAP_SECONDS


def test_tasks_that_move_from_a_dead_node_are_followed(broken: Broken) -> None:
    last = broken.of(ServiceSample)[-1]
    assert {
        task.node for task in last.tasks if task.state == "running" and task.desired_state == "running"
    } == {"node2"}
    moved = {task.container_id for task in last.tasks if task.state == "running"} - {None}
    sampled = {sample.container_id for sample in broken.of(ContainerSample) if sample.service == SERVICE}
    assert moved <= sampled
