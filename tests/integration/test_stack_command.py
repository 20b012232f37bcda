"""`swarm-ext stack` on a real swarm of three nodes: what it deploys, what it says, what it leaves."""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import pytest

from tests.integration.bed.images import PYTHON
from tests.integration.bed.shell import BedError
from tests.integration.bed.swarm import OVERRIDE_FILE, STACK_FILE, until
from tests.integration.lone_engine import operator_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.bed.swarm import Bed

pytestmark = pytest.mark.slow
STACK = "depot"
PASSWORD = {"SWARM_EXT_MONGO_PASSWORD": "a given password"}
GIVEN = PASSWORD["SWARM_EXT_MONGO_PASSWORD"]
ANOTHER = {"SWARM_EXT_MONGO_PASSWORD": "another"}
FORWARDER = Path(__file__).with_name("forwarder.py")
FILES = ("-c", str(STACK_FILE), "-c", str(OVERRIDE_FILE))


class Deployed:
    """The stack on the bed, and what was said when it was deployed."""

    def __init__(self, bed: Bed) -> None:
        self.bed = bed
        self.at = operator_of(bed)
        self.out = self.deploy(**PASSWORD)

    def deploy(self, *options: str, **variables: str) -> str:
        return self.at.types("stack", "deploy", STACK, *FILES, "--publish-mongo", *options, **variables).out

    def service(self, name: str) -> dict[str, Any]:
        return self.bed.service(f"{STACK}_{name}")

    def containers(self, service: str) -> set[str]:
        found = [
            engine.docker("ps", "-q", "--no-trunc", "-f", f"label=com.docker.swarm.service.name={STACK}_{service}")
            for engine in self.bed.engines
        ]  # fmt: skip
        return set(" ".join(found).split())

    def seen(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.at.types("stack", "display", STACK, "--json").out)
        return found


@pytest.fixture(scope="module")
def deployed(bed: Bed) -> Iterator[Deployed]:
    try:
        yield Deployed(bed)
    finally:
        operator_of(bed).types("stack", "leave", STACK, "--volumes", "--yes")


def test_deploying_waits_until_everything_runs_and_shows_where(deployed: Deployed) -> None:
    lines = deployed.out.splitlines()
    assert lines[0] == "Made the secret mongo_password from SWARM_EXT_MONGO_PASSWORD."
    assert "balancer 1/1, cadvisor 3/3, mongo 1/1, visualizer 1/1, web 2/2" in lines
    assert f"{STACK}_web every node http://10.77.{deployed.bed.network.number}.1/primecheck" in [
        " ".join(line.split()) for line in lines
    ]
    assert GIVEN not in deployed.out


def test_the_web_service_answers_and_keeps_off_the_manager(deployed: Deployed) -> None:
    url = f"http://{deployed.bed.manager.host.address}:8000/primecheck/97"
    replicas = {container[:12] for container in deployed.containers("web")}
    answered: set[str] = set()

    def all_have_answered() -> bool:  # the balancer asks now and then which there are
        answer = deployed.bed.manager.host.run("busybox", "wget", "-q", "-O", "-", url)
        answered.add(json.loads(answer)["replica"])
        return replicas <= answered

    until(all_have_answered, "every replica has answered")
    assert answered == replicas
    assert {task["node"] for task in deployed.seen()["tasks"] if task["service"] == f"{STACK}_web"} == {
        "node2",
        "node3",
    }


def test_the_web_service_is_what_stack_yml_says(deployed: Deployed) -> None:
    spec = deployed.service("web")["Spec"]
    quarter = {"NanoCPUs": 250_000_000, "MemoryBytes": 256 * 2**20}
    template = spec["TaskTemplate"]
    assert template["Resources"] == {"Limits": quarter, "Reservations": quarter}
    labels = {name: value for name, value in spec["Labels"].items() if name.startswith("swarm.")}
    assert labels == {
        "swarm.autoscaler": "true",
        "swarm.autoscaler.minimum": "1",
        "swarm.autoscaler.maximum": "10",
    }
    assert template["Placement"]["Constraints"] == ["node.role != manager"]
    assert template["Placement"]["Preferences"] == [{"Spread": {"SpreadDescriptor": "node.id"}}]
    assert (spec["UpdateConfig"]["Order"], spec["UpdateConfig"]["FailureAction"]) == (
        "start-first",
        "rollback",
    )


def test_each_nodes_cadvisor_answers_for_that_node(deployed: Deployed) -> None:
    urls = {a["node"]: a["url"] for a in deployed.seen()["addresses"] if a["service"] == f"{STACK}_cadvisor"}
    assert set(urls) == {"node1", "node2", "node3"}
    for engine in deployed.bed.engines:
        until(
            lambda engine=engine: _measured(engine, urls[engine.name]) == _running(engine),
            f"{engine.name} is measured",
        )  # type: ignore[misc]


def _measured(engine: Any, url: str) -> set[str]:
    answer = engine.host.run("busybox", "wget", "-q", "-O", "-", f"{url}api/v1.3/docker/")
    return {container["id"] for container in json.loads(answer).values()}


def _running(engine: Any) -> set[str]:
    return set(engine.docker("ps", "-q", "--no-trunc").split())


def test_web_and_data_are_on_networks_of_their_own(deployed: Deployed) -> None:
    networks = {
        name: [network["Target"] for network in deployed.service(name)["Spec"]["TaskTemplate"]["Networks"]]
        for name in ("web", "mongo", "visualizer", "cadvisor")
    }
    assert all(len(found) == 1 for found in networks.values())
    assert networks["visualizer"] == networks["cadvisor"]
    assert len({found[0] for found in networks.values()}) == 3


def test_mongodb_has_the_given_password_and_is_published_only_when_asked(deployed: Deployed) -> None:
    (mongo,) = deployed.containers("mongo")
    assert deployed.bed.manager.docker("exec", mongo, "cat", "/run/secrets/mongo_password") == GIVEN
    address = (deployed.bed.manager.host.address, 3306)
    with socket.create_connection(address, timeout=10):
        pass
    assert f"mongodb://{address[0]}:3306/" in [a["url"] for a in deployed.seen()["addresses"]]
    environment = deployed.service("mongo")["Spec"]["TaskTemplate"]["ContainerSpec"]["Env"]
    assert "MONGO_INITDB_ROOT_PASSWORD_FILE=/run/secrets/mongo_password" in environment
    assert GIVEN not in json.dumps(deployed.service("mongo"))


def test_deploying_again_touches_nothing_that_runs(deployed: Deployed) -> None:
    names = ("balancer", "cadvisor", "mongo", "visualizer", "web")
    before = {name: deployed.containers(name) for name in names}
    out = deployed.deploy(**ANOTHER)
    assert out.startswith(
        "The secret mongo_password is kept as it is; SWARM_EXT_MONGO_PASSWORD is not used.\n"
    )
    assert {name: deployed.containers(name) for name in names} == before


def test_more_replicas_are_added_to_those_that_run(deployed: Deployed) -> None:
    before = deployed.containers("web")
    assert "web 3/3" in deployed.deploy("--replicas", "3")
    after = deployed.containers("web")
    assert (before < after, len(after)) == (True, 3)
    deployed.deploy()


def test_the_health_check_passes_a_replica_that_is_overloaded_and_fails_one_that_does_not_listen(
    deployed: Deployed,
) -> None:
    health = deployed.service("web")["Spec"]["TaskTemplate"]["ContainerSpec"]["Healthcheck"]["Test"]
    assert health[0] == "CMD"
    until(lambda: len(deployed.containers("web")) == 2, "a replica that was scaled in has gone")
    container = min(deployed.containers("web"))
    engine = next(engine for engine in deployed.bed.engines if container in _running(engine))

    def check(*changed: str) -> str:
        *script, port, command = [word.replace("$$", "$") for word in health[1:]]
        words = [*script, *(changed or (port, command))]
        return engine.docker(
            "exec",
            container,
            "sh",
            "-c",
            'if "$@" 2>&1; then echo healthy; else echo unhealthy; fi',
            "sh",
            *words,
        )

    assert check() == "healthy\n"
    flood = (
        "import socket, time; s = [socket.create_connection(('127.0.0.1', 8080)) for _ in range(300)]; "
        "[c.send(b'GET /primecheck/999999999999989 HTTP/1.0\\r\\n\\r\\n') for c in s]; time.sleep(60)"
    )
    slow = (
        "import socket; s = socket.create_connection(('127.0.0.1', 8080), 3); "
        "s.send(b'GET /primecheck/97 HTTP/1.0\\r\\n\\r\\n'); s.recv(1)"
    )
    # beside it in its network, so that none of it is counted towards the replica's CPU limit
    beside = f"--network=container:{container}"
    flooder = engine.docker("run", "-d", "--rm", beside, PYTHON, "python3", "-c", flood).strip()
    until(
        lambda: (
            "timed out" in engine.docker("exec", flooder, "sh", "-c", f'python3 -c "{slow}" 2>&1 || true')
        ),
        "it is overloaded",
    )
    until(
        lambda: check() == "healthy\n", "a check is passed, one of three as the swarm asks for it", seconds=15
    )
    assert check("8081", "") == "unhealthy\n"
    assert check("8080", "exit 3") == "unhealthy\n"
    assert check("8081", "true") == "healthy\n"
    engine.docker("rm", "-f", flooder)


def test_the_text_is_the_same_as_the_json(deployed: Deployed) -> None:
    text = deployed.at.types("stack", "display", STACK).out
    seen = deployed.seen()
    assert [node["role"] for node in seen["nodes"]] == ["manager", "worker", "worker"]
    assert {(s["name"], s["running"], s["desired"]) for s in seen["services"]} == {
        (f"{STACK}_balancer", 1, 1), (f"{STACK}_cadvisor", 3, 3), (f"{STACK}_mongo", 1, 1),
        (f"{STACK}_visualizer", 1, 1), (f"{STACK}_web", 2, 2),
    }  # fmt: skip
    for kind in ("nodes", "services"):
        assert all(one["name"] in text for one in seen[kind])


def test_a_port_that_another_stack_has_is_told(deployed: Deployed) -> None:
    file = ("-c", str(STACK_FILE))
    try:
        said = deployed.at.types("stack", "deploy", "second", *file, code=2).err
    finally:
        deployed.at.types("stack", "leave", "second", "--yes")
    assert (
        "port '80' is already in use by service 'depot_web'" in said or "port '88' is already in use" in said
    )


def test_the_pages_firewall_rule_keeps_all_but_one_from_cadvisor(deployed: Deployed) -> None:
    page = (STACK_FILE.parent / "docs" / "ports.md").read_text()
    rule = next(line for line in page.splitlines() if "--ctorigdstport 70" in line)
    guarded, other = deployed.bed.engines[1], deployed.bed.engines[2]
    address = guarded.host.address
    words = rule.replace("10.0.0.9", deployed.bed.network.gateway).split()
    ask = (
        "import sys; from urllib.request import urlopen; "
        "print(urlopen(f'http://{sys.argv[1]}:70/healthz', timeout=3).read().decode())"
    )
    guarded.host.run(*words)
    try:
        with pytest.raises(BedError, match="timed out"):
            other.host.run(sys.executable, "-c", ask, address)
        with urlopen(f"http://{address}:70/healthz", timeout=10) as answer:
            assert answer.status == 200
    finally:
        guarded.host.run(*["-D" if word == "-I" else word for word in words])
    assert other.host.run(sys.executable, "-c", ask, address) == "ok\n"


def test_a_forwarder_on_the_data_network_leads_to_mongodb_from_loopback_alone(deployed: Deployed) -> None:
    manager = deployed.bed.manager
    forward = ("python3", "-c", FORWARDER.read_text(), "0.0.0.0", "3307", "tasks.mongo:27017")
    options = ("--network", f"{STACK}_data", "-p", "127.0.0.1:3307:3307", "--name", "mongo-door")
    manager.docker("run", "-d", *options, PYTHON, *forward)
    ping = (
        "import sys; from pymongo import MongoClient; "
        "print(MongoClient(sys.argv[1], 3307, serverSelectionTimeoutMS=3000).admin.command('ping')['ok'])"
    )
    try:
        until(
            lambda: manager.host.run(sys.executable, "-c", ping, "127.0.0.1") == "1.0\n",
            "MongoDB answers through the forwarder",
        )
        with pytest.raises(BedError, match="refused"):
            manager.host.run(sys.executable, "-c", ping, manager.host.address)
    finally:
        manager.docker("rm", "-f", "mongo-door")
