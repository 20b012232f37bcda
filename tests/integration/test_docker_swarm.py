"""What a real swarm says of its nodes and services, and what is said to whoever has no swarm."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import psutil
import pytest

from swarm_ext.swarm import SwarmError, UnknownServiceError
from swarm_ext.swarm.docker_swarm import DockerSwarm, open_docker_swarm
from tests.integration.bed.engine import Engine
from tests.integration.bed.frozen import freeze, thaw
from tests.integration.bed.swarm import until
from tests.integration.docker_services import converged, docker_swarm, service

if TYPE_CHECKING:
    from collections.abc import Iterator

    from swarm_ext.model import Node
    from tests.integration.bed.swarm import Bed


@pytest.fixture(scope="module")
def swarm(bed: Bed) -> Iterator[DockerSwarm]:
    with docker_swarm(bed) as found:
        yield found


def _node(swarm: DockerSwarm, name: str) -> Node:
    (node,) = [node for node in swarm.nodes() if node.name == name]
    return node


# Nodes


def test_every_node_is_found_with_its_cadvisor(bed: Bed, swarm: DockerSwarm) -> None:
    found = [(node.name, node.address, node.state, node.cadvisor_url) for node in swarm.nodes()]
    assert found == [
        (engine.name, engine.host.address, "ready", f"http://{engine.host.address}:70")
        for engine in bed.engines
    ]
    assert {node.cores for node in swarm.nodes()} == {float(os.cpu_count() or 0)}


def test_no_cadvisor_is_expected_on_a_drained_node_until_it_is_active_again(
    bed: Bed, swarm: DockerSwarm
) -> None:
    bed.manager.docker("node", "update", "--availability", "drain", "node3")
    try:
        node = _node(swarm, "node3")
        assert (node.state, node.cadvisor_url) == ("drain", None)
    finally:
        bed.manager.docker("node", "update", "--availability", "active", "node3")
    assert _node(swarm, "node3").cadvisor_url is not None


def test_a_label_says_where_to_reach_a_node(bed: Bed, swarm: DockerSwarm) -> None:
    bed.manager.docker("node", "update", "--label-add", "swarm-ext.address=node2.example", "node2")
    try:
        assert _node(swarm, "node2").cadvisor_url == "http://node2.example:70"
    finally:
        bed.manager.docker("node", "update", "--label-rm", "swarm-ext.address", "node2")


# Services


def test_a_service_is_told_with_its_tasks_limits_and_labels(bed: Bed, swarm: DockerSwarm) -> None:
    limits = ("--limit-cpu=0.25", "--reserve-cpu=0.1", "--limit-memory=64M")
    with service(bed, "told", "--replicas=3", *limits, "--label=swarm.autoscaler.maximum=7"):
        state = converged(swarm, "told", 3)
    assert (state.desired, state.running, state.ready, state.pending) == (3, 3, 3, 0)
    assert (state.cpu_limit_cores, state.cpu_reservation_cores) == (0.25, 0.1)
    assert state.memory_limit_bytes == 64 * 2**20
    assert state.labels == {"swarm.autoscaler.maximum": "7"}
    assert [task.slot for task in state.tasks] == [1, 2, 3]
    assert {task.node for task in state.tasks} <= {engine.name for engine in bed.engines}
    assert all(task.container_id and len(task.container_id) == 64 for task in state.tasks)


def test_a_replica_is_ready_only_when_its_health_check_says_so(bed: Bed, swarm: DockerSwarm) -> None:
    check = ("--health-cmd=test -e /tmp/healthy", "--health-interval=1s", "--health-retries=100")
    command = (
        "sh",
        "-c",
        "mkdir -p /tmp; trap exit TERM; while ! test -e /go; do sleep 0.2; done; >/tmp/healthy; sleep 1000 & wait",
    )
    with service(bed, "checked", "--replicas=1", *check, command=command):
        until(
            lambda: [task.state for task in swarm.service("checked").tasks] == ["starting"], "it has started"
        )
        state = swarm.service("checked")
        assert (state.running, state.ready, state.pending) == (0, 0, 1)
        assert state.tasks[0].container_id is not None
        (engine,) = [engine for engine in bed.engines if engine.name == state.tasks[0].node]
        engine.docker("exec", state.tasks[0].container_id, "sh", "-c", ">/go")
        assert converged(swarm, "checked", 1).ready == 1


def test_why_a_replica_does_not_stay_up_is_told_in_the_swarms_words(bed: Bed, swarm: DockerSwarm) -> None:
    with service(bed, "broken", "--replicas=1", "--restart-delay=1s", command=("sh", "-c", "exit 3")):
        told = "task: non-zero exit (3)"
        until(lambda: told in {task.error for task in swarm.service("broken").tasks}, "the error is told")


def test_a_global_service_can_be_watched(bed: Bed, swarm: DockerSwarm) -> None:
    with service(bed, "everywhere", "--mode=global"):
        state = converged(swarm, "everywhere", 3)
    assert state.mode == "global"
    assert {task.node for task in state.tasks} == {"node1", "node2", "node3"}


def test_a_service_that_is_deployed_anew_under_its_name_is_found_again(bed: Bed, swarm: DockerSwarm) -> None:
    with service(bed, "again", "--replicas=1"):
        first = converged(swarm, "again", 1)
    with pytest.raises(UnknownServiceError):
        swarm.service("again")
    with service(bed, "again", "--replicas=1"):
        assert converged(swarm, "again", 1).tasks[0].id != first.tasks[0].id


# Names


def _of_stack(stack: str) -> tuple[str, ...]:
    return ("--replicas=0", f"--label=com.docker.stack.namespace={stack}")


def test_the_stacks_name_may_be_left_out_where_only_one_is_meant(bed: Bed, swarm: DockerSwarm) -> None:
    with service(bed, "shop_web", *_of_stack("shop")):
        assert swarm.service("web").name == "shop_web"
        assert swarm.service("shop_web").name == "shop_web"


def test_a_name_that_is_in_two_stacks_is_refused_with_both(bed: Bed, swarm: DockerSwarm) -> None:
    with service(bed, "one_api", *_of_stack("one")), service(bed, "two_api", *_of_stack("two")):
        with pytest.raises(
            SwarmError, match="'api' is in several stacks: give its full name, one of one_api, two_api"
        ):
            swarm.service("api")
        assert swarm.service("two_api").name == "two_api"


def test_an_unknown_service_is_refused_with_those_that_there_are(bed: Bed, swarm: DockerSwarm) -> None:
    with (
        service(bed, "known", "--replicas=0"),
        pytest.raises(UnknownServiceError, match=r"the swarm has no service 'unknown'; give one of .*known"),
    ):
        swarm.service("unknown")


# Engines that are no manager


def _refusal(address: str) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", address)
        with pytest.raises(SwarmError) as refused:
            open_docker_swarm(timeout_seconds=30.0)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_a_worker_names_the_managers(bed: Bed) -> None:
    told = _refusal(bed.engines[1].docker_host)
    assert told == (
        f"the Docker engine at {bed.engines[1].docker_host} is a worker of its swarm, not a manager; set DOCKER_HOST to "
        f"a manager: {bed.manager.host.address}"
    )


@contextmanager
def _engine(bed: Bed, name: str) -> Iterator[Engine]:
    """An engine of its own, in no swarm."""
    engine = Engine(bed.load_host(name), name, bed.folder / name)
    try:
        engine.start()
        engine.wait()
        yield engine
    finally:
        engine.kill()
        engine.remove()


def test_an_engine_in_no_swarm_and_one_in_a_locked_swarm_say_what_to_do(bed: Bed) -> None:
    with _engine(bed, "alone") as engine:
        assert "is not in a swarm; make one by `docker swarm init` there" in _refusal(engine.docker_host)
        engine.docker("swarm", "init", "--autolock", "--advertise-addr", "127.0.0.1")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DOCKER_HOST", engine.docker_host)
            with closing(open_docker_swarm()) as swarm:
                assert [node.cadvisor_url for node in swarm.nodes()] == ["http://127.0.0.1:70"]
        engine.stop()
        engine.start()
        engine.wait()
        assert "in a swarm that is locked; unlock it by `docker swarm unlock` there" in _refusal(
            engine.docker_host
        )


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # the SDK leaves a socket to the collector
def test_an_engine_that_is_not_there_is_told_in_one_line(bed: Bed) -> None:
    assert "there is no such socket; start Docker, or set DOCKER_HOST to a manager" in _refusal(
        "unix:///none.sock"
    )
    assert "connection refused; is Docker running there" in _refusal(f"tcp://{bed.manager.host.address}:1")
    assert "the host's name cannot be resolved" in _refusal("tcp://nowhere.invalid:2376")
    assert "this is no address of an engine" in _refusal("telnet://host")


def test_a_socket_that_is_not_for_this_user_is_told_in_one_line(bed: Bed) -> None:
    script = (
        "import os\n"
        "from swarm_ext.swarm.docker_swarm import open_docker_swarm\n"
        "import docker\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "try: open_docker_swarm()\n"
        "except Exception as error: print(error)\n"
    )
    environment = {**os.environ, "DOCKER_HOST": bed.manager.docker_host}
    run = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip().endswith("permission denied; join the group `docker`, or become root")


def test_an_engine_that_hangs_is_given_up_in_time_and_used_again_when_it_goes_on(bed: Bed) -> None:
    with _engine(bed, "slow") as engine:
        engine.docker("swarm", "init", "--advertise-addr", engine.host.address)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DOCKER_HOST", engine.docker_host)
            with closing(open_docker_swarm(timeout_seconds=5.0)) as swarm:
                with _stopped(engine), pytest.raises(SwarmError, match="connected, but no answer within 5 s"):
                    swarm.nodes()
                assert len(swarm.nodes()) == 1


@contextmanager
def _stopped(engine: Engine) -> Iterator[None]:
    assert engine._process is not None
    (daemon,) = psutil.Process(engine._process.pid).children()
    freeze(daemon.pid)
    try:
        yield
    finally:
        thaw(daemon.pid)


# A node that dies


@pytest.mark.slow
def test_a_node_that_dies_is_down_its_replicas_are_followed_and_it_comes_back(
    bed: Bed, swarm: DockerSwarm
) -> None:
    dead = bed.engines[2]
    with service(bed, "moved", "--replicas=3"):
        until(
            lambda: {task.node for task in converged(swarm, "moved", 3).tasks} == {"node1", "node2", "node3"},
            "spread",
        )
        dead.kill()
        try:
            until(lambda: _node(swarm, "node3").state == "down", "the manager reports it")
            assert _node(swarm, "node3").cadvisor_url is None
            until(
                lambda: {task.node for task in converged(swarm, "moved", 3).tasks} == {"node1", "node2"},
                "moved",
            )
        finally:
            dead.start()
            dead.wait()
            until(lambda: _node(swarm, "node3").state == "ready", "it is ready again")
