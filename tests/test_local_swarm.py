"""The embedded swarm as its users see it: real processes, real connections."""

import contextlib
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from datetime import timedelta

import psutil
import pytest
import requests

from swarm_ext.cadvisor import CAdvisor
from swarm_ext.errors import UserError
from swarm_ext.primecheck import DEFAULT_NUMBER
from swarm_ext.swarm import Swarm, SwarmError, UnknownServiceError
from swarm_ext.swarm.local_swarm import LocalSwarm
from tests.embedded_swarm import PATIENCE_SECONDS, replica_pid, settled, wait_until


@pytest.fixture(scope="module")
def shared() -> Iterator[LocalSwarm]:
    swarm = LocalSwarm(cpu_limit_cores=0.5)
    yield swarm
    swarm.close()


@pytest.fixture
def swarm(shared: LocalSwarm) -> LocalSwarm:
    """One replica, as after the start."""
    shared.scale("web", 1)
    settled(shared, 1)
    return shared


def cadvisor_url(swarm: LocalSwarm) -> str:
    (node,) = swarm.nodes()
    assert node.cadvisor_url is not None
    return node.cadvisor_url


def ask(url: str, path: str, timeout: float = PATIENCE_SECONDS) -> tuple[int, dict[str, object]]:
    """Ask over a new connection, as an arrival does."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=timeout) as sock:
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        with sock.makefile("rb") as answer:
            head, _, body = answer.read().partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


def test_it_is_a_swarm_of_one_node_and_one_service(swarm: LocalSwarm) -> None:
    as_protocol: Swarm = swarm
    assert as_protocol.kind == "local"
    (node,) = as_protocol.nodes()
    assert (node.name, node.address, node.state, node.cores) == (
        "local",
        "127.0.0.1",
        "ready",
        psutil.cpu_count(),
    )
    assert as_protocol.services() == ["web"]
    state = as_protocol.service("web")
    assert (state.name, state.desired, state.running, state.ready, state.pending) == ("web", 1, 1, 1, 0)
    assert (state.cpu_limit_cores, state.memory_limit_bytes, state.update_state) == (0.5, None, None)
    (task,) = [task for task in state.tasks if task.ready]
    assert (task.slot, task.node, task.state, task.desired_state) == (1, "local", "running", "running")
    assert task.container_id is not None
    assert len(task.container_id) == 64


def test_responses_name_the_replica_by_its_short_container_id(swarm: LocalSwarm) -> None:
    (task,) = [task for task in swarm.service("web").tasks if task.ready]
    assert task.container_id is not None
    with requests.get(swarm.url + "/primecheck", timeout=PATIENCE_SECONDS) as response:
        assert response.headers["X-Replica"] == response.json()["replica"] == task.container_id[:12]
        assert response.json()["number"] == DEFAULT_NUMBER


def test_an_unknown_service_is_refused_with_those_there_are(swarm: LocalSwarm) -> None:
    for call in (lambda: swarm.service("a/b c"), lambda: swarm.scale("db", 1)):
        with pytest.raises(UnknownServiceError, match="there is: web"):
            call()


@pytest.mark.parametrize("replicas", [-1, 65])
def test_a_number_of_replicas_out_of_bounds_is_refused(swarm: LocalSwarm, replicas: int) -> None:
    with pytest.raises(SwarmError, match=f"cannot scale 'web' to {replicas}: .* 0 to 64"):
        swarm.scale("web", replicas)
    assert swarm.service("web").desired == 1


def test_scaling_out_starts_the_next_slots_and_leaves_the_others_alone(swarm: LocalSwarm) -> None:
    before = settled(swarm, 1)
    swarm.scale("web", 3)
    during = swarm.service("web")
    assert (during.desired, during.running + during.pending) == (3, 3)
    after = settled(swarm, 3)
    ready = [task for task in after.tasks if task.ready]
    assert [task.slot for task in ready] == [1, 2, 3]
    assert [task for task in before.tasks if task.ready] == ready[:1]
    assert len({task.container_id for task in ready}) == 3


def test_scaling_in_stops_the_highest_slots(swarm: LocalSwarm) -> None:
    swarm.scale("web", 3)
    stopped = {task.id: task for task in settled(swarm, 3).tasks if task.ready and task.slot != 1}
    swarm.scale("web", 1)
    state = swarm.service("web")
    assert (state.desired, state.running, state.ready, state.pending) == (1, 1, 1, 0)
    assert all(task.desired_state == "shutdown" for task in state.tasks if task.id in stopped)
    ended = [task for task in settled(swarm, 1).tasks if task.id in stopped]
    assert [(task.state, task.error) for task in ended] == [("shutdown", None)] * 2


def test_a_stopped_replica_finishes_its_request_first(swarm: LocalSwarm) -> None:
    swarm.scale("web", 2)
    second = next(task for task in settled(swarm, 2).tasks if task.ready and task.slot == 2)
    assert second.container_id is not None
    answers: list[dict[str, object]] = []
    clients = [
        threading.Thread(target=lambda: answers.append(ask(swarm.url, "/primecheck/99999999999973")[1]))
        for _ in range(8)
    ]
    for client in clients:
        client.start()
    wait_until(
        lambda: second.container_id and requests_begun(swarm, second.container_id), "a request to slot 2"
    )
    swarm.scale("web", 1)
    draining = next(task for task in swarm.service("web").tasks if task.id == second.id)
    assert (draining.state, draining.desired_state, draining.ready) == ("running", "shutdown", False)
    for client in clients:
        client.join(PATIENCE_SECONDS)
    assert len(answers) == 8
    assert second.container_id[:12] in {answer["replica"] for answer in answers}
    ended = next(task for task in settled(swarm, 1).tasks if task.id == second.id)
    assert (ended.state, ended.error) == ("shutdown", None)


def requests_begun(swarm: LocalSwarm, container_id: str) -> bool:
    """Whether a replica holds a client's connection."""
    process = psutil.Process(replica_pid(os.getpid(), container_id))
    return any(c.status == psutil.CONN_ESTABLISHED and c.raddr for c in process.net_connections("tcp"))


def test_no_connection_is_lost_while_replicas_come_and_go(swarm: LocalSwarm) -> None:
    swarm.scale("web", 2)
    settled(swarm, 2)
    statuses: list[int] = []

    def arrive() -> None:
        statuses.append(ask(swarm.url, "/primecheck/10000000019")[0])

    clients = []
    for index in range(200):
        clients.append(threading.Thread(target=arrive))
        clients[-1].start()
        if index in {60, 120, 180}:
            swarm.scale("web", 2 if index == 120 else 1)
        time.sleep(0.005)
    for client in clients:
        client.join(PATIENCE_SECONDS)
    assert statuses == [200] * 200


def test_silent_connections_leave_a_replica_free_for_others(swarm: LocalSwarm) -> None:
    host, port = swarm.url.removeprefix("http://").split(":")
    with contextlib.ExitStack() as silent:
        for _ in range(12):
            silent.enter_context(socket.create_connection((host, int(port)), timeout=PATIENCE_SECONDS))
        assert ask(swarm.url, "/primecheck/97")[0] == 200


def test_a_replica_that_is_starting_takes_no_requests() -> None:
    with contextlib.closing(LocalSwarm(cpu_limit_cores=0.5, startup_seconds=1.5)) as swarm:
        swarm.scale("web", 2)
        while swarm.service("web").ready < 2:
            assert ask(swarm.url, "/primecheck/97")[0] == 200


def test_connections_wait_while_there_is_no_replica(swarm: LocalSwarm) -> None:
    swarm.scale("web", 0)
    settled(swarm, 0)
    answers: list[int] = []
    client = threading.Thread(target=lambda: answers.append(ask(swarm.url, "/primecheck/97")[0]))
    client.start()
    swarm.scale("web", 1)
    client.join(PATIENCE_SECONDS)
    assert answers == [200]


def test_a_replica_that_crashes_is_replaced_in_its_slot(swarm: LocalSwarm) -> None:
    (task,) = [task for task in swarm.service("web").tasks if task.ready]
    assert task.container_id is not None
    os.kill(replica_pid(os.getpid(), task.container_id), signal.SIGKILL)

    def failed() -> bool:
        return any(t.id == task.id and t.state == "failed" for t in swarm.service("web").tasks)

    wait_until(failed, "the task failing")
    state = swarm.service("web")
    assert (state.desired, state.running + state.pending) == (1, 1)
    state = settled(swarm, 1)
    old = next(t for t in state.tasks if t.id == task.id)
    assert (old.desired_state, old.error) == ("shutdown", "killed by signal 9 (SIGKILL)")
    (new,) = [t for t in state.tasks if t.ready]
    assert (new.slot, new.id != task.id, new.container_id != task.container_id) == (1, True, True)
    assert (new.since - old.since).total_seconds() >= 0.9
    assert ask(swarm.url, "/primecheck/97")[0] == 200


def test_its_measurements_are_those_of_the_system_and_grow() -> None:
    with contextlib.closing(LocalSwarm(cpu_limit_cores=0.1)) as swarm:
        flood_and_compare(swarm)


def flood_and_compare(swarm: LocalSwarm) -> None:
    (task,) = [task for task in swarm.service("web").tasks if task.ready]
    assert task.container_id is not None
    process = psutil.Process(replica_pid(os.getpid(), task.container_id))
    stop = threading.Event()

    def flood() -> None:
        while not stop.is_set():
            ask(swarm.url, "/primecheck/10000000019")

    clients = [threading.Thread(target=flood) for _ in range(4)]
    for client in clients:
        client.start()
    time.sleep(4)
    stop.set()
    for client in clients:
        client.join(PATIENCE_SECONDS)
    with CAdvisor(cadvisor_url(swarm)) as client_of_node:
        settled_at = time.monotonic() + 2.5
        wait_until(lambda: time.monotonic() > settled_at, "two more measurements")
        times = process.cpu_times()
        (info,) = [c for c in client_of_node.containers().containers if c.container_id == task.container_id]
        assert client_of_node.machine().num_cores == psutil.cpu_count()
        root = client_of_node.root()
    assert info.spec is not None
    assert info.spec.cpu is not None
    assert (info.spec.cpu.quota, info.spec.cpu.period) == (10_000, 100_000)
    assert info.labels["com.docker.swarm.task.name"] == f"web.1.{task.id}"
    points = [point for point in info.stats or [] if point is not None]
    totals = [point.cpu.usage.total or 0 for point in points if point.cpu and point.cpu.usage]
    throttled = [point.cpu.cfs.throttled_time or 0 for point in points if point.cpu and point.cpu.cfs]
    received = [point.network.rx_bytes or 0 for point in points if point.network]
    for counter in (totals, throttled, received):
        assert len(counter) == len(points) >= 5
        assert counter == sorted(counter)
    assert totals[-1] / 1e9 == pytest.approx(times.user + times.system, rel=0.03, abs=0.03)
    assert throttled[-1] - throttled[0] > 1e9
    assert received[-1] > received[0]
    memory = points[-1].memory
    assert memory is not None
    assert memory.usage == memory.working_set == pytest.approx(process.memory_info().rss, rel=0.2)
    assert len(root.stats or []) >= len(points)


def test_a_stopped_replica_takes_its_history_with_it(swarm: LocalSwarm) -> None:
    swarm.scale("web", 2)
    settled(swarm, 2)
    with CAdvisor(cadvisor_url(swarm)) as client:
        assert len(client.containers().containers) == 2
        swarm.scale("web", 1)
        settled(swarm, 1)
        assert len(client.containers().containers) == 1


def test_only_points_that_are_asked_for_are_sent(swarm: LocalSwarm) -> None:
    with CAdvisor(cadvisor_url(swarm)) as client:

        def points() -> list[object]:
            (info,) = client.containers().containers
            return [point for point in info.stats or [] if point is not None]

        wait_until(lambda: len(points()) >= 3, "three points")
        (info,) = client.containers(points=2).containers
        two = [point for point in info.stats or [] if point is not None]
        assert len(two) == 2
        (info,) = client.containers(since=two[-1].timestamp - timedelta(microseconds=1)).containers
        assert info.stats
        assert info.stats[0] == two[-1]


def test_services_are_shown_to_nobody_without_the_token(swarm: LocalSwarm) -> None:
    endpoint = cadvisor_url(swarm)
    for method in ("GET", "POST"):
        for token in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer \xff"}):
            with requests.request(
                method,
                f"{endpoint}/swarm/services/web",
                headers=token,
                data=b'{"replicas":5}',
                timeout=PATIENCE_SECONDS,
            ) as response:
                assert response.status_code == 401
    assert swarm.service("web").desired == 1


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/api/v1.3/docker/", b"{", 400),
        ("/api/v1.3/docker/", b'{"num_stats":"x"}', 400),
        ("/api/v1.3/docker/nope", b"", 404),
        ("/api/v1.3/bogus", b"", 404),
        ("/", b"", 404),
        ("/api/v1.3/docker/", b" " * 70_000, 413),
    ],
)
def test_its_endpoint_refuses_what_it_does_not_understand(
    swarm: LocalSwarm, path: str, body: bytes, status: int
) -> None:
    with (
        contextlib.suppress(requests.ConnectionError),
        requests.post(cadvisor_url(swarm) + path, data=body, timeout=PATIENCE_SECONDS) as response,
    ):
        assert response.status_code == status
        assert "error" in response.json()


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({"cpu_limit_cores": 2.0}, "use more replicas"),
        ({"cpu_limit_cores": float("nan")}, "must lie between"),
        ({"concurrency": 0}, "concurrency is 0"),
        ({"startup_seconds": -1.0}, "startup_seconds is -1"),
        ({"startup_seconds": float("nan")}, "startup_seconds is nan"),
        ({"replicas": 65}, "replicas is 65"),
        ({"number": -1}, "number is -1"),
        ({"service": "a b"}, "the service's name is 'a b'"),
        ({"port": 70_000}, "port is 70000; it must lie between 0 and 65535"),
    ],
)
def test_an_impossible_parameter_is_refused_before_anything_starts(
    parameters: dict[str, object], text: str
) -> None:
    with pytest.raises(UserError, match=text) as refusal:
        LocalSwarm(**parameters)
    assert "\n" not in str(refusal.value)


def test_a_port_in_use_is_refused(swarm: LocalSwarm) -> None:
    port = int(swarm.url.rsplit(":", 1)[1])
    with pytest.raises(UserError, match=f"cannot listen on 127.0.0.1:{port}: .*choose another port"):
        LocalSwarm(port=port)
