"""What the master hears while a worker leaves; real master, real sockets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gevent
import pytest
from gevent.event import Event
from locust import User
from locust.dispatch import UsersDispatcher
from locust.env import Environment
from locust.rpc import Message
from locust.rpc.zmqrpc import Client
from locust.runners import STATE_RUNNING, STATE_STOPPED, MasterRunner, WorkerNode

from swarm_ext.distributed.departures import hear_others_meanwhile, let_the_resting_quit
from tests.integration.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

BOUND_SECONDS = 30


class Visitor(User):
    pass


class Bed:
    """A master in a run with two workers, who have a socket each."""

    def __init__(self) -> None:
        port = free_port()
        self.master: MasterRunner = Environment(user_classes=[Visitor]).create_master_runner(
            "127.0.0.1", port
        )
        self.clients = {name: Client("127.0.0.1", port, name) for name in ("leaving", "staying")}
        nodes = [WorkerNode(name) for name in self.clients]
        for node in nodes:
            self.master.clients[node.id] = node
        self.master._users_dispatcher = UsersDispatcher(worker_nodes=nodes, user_classes=[Visitor])
        self.master.state = STATE_RUNNING

    def send(self, worker: str, kind: str) -> None:
        self.clients[worker].send(Message(kind, None, worker))

    def close(self) -> None:
        self.master.greenlet.kill(block=True)
        for client in self.clients.values():
            client.socket.context.destroy(linger=0)
        self.master.server.socket.context.destroy(linger=0)


@pytest.fixture
def bed() -> Iterator[Bed]:
    made = Bed()
    yield made
    made.close()


def test_the_others_are_heard_while_the_users_of_a_worker_that_left_are_spread(
    bed: Bed, monkeypatch: pytest.MonkeyPatch
) -> None:
    spreading, heard, spread = Event(), Event(), Event()

    def start(*_: Any) -> None:
        spreading.set()
        heard.wait(BOUND_SECONDS)
        spread.set()

    monkeypatch.setattr(bed.master, "start", start)
    bed.master.register_message("question", lambda **_: spread.is_set() or heard.set())
    hear_others_meanwhile(bed.master)
    bed.send("leaving", "quit")
    assert spreading.wait(BOUND_SECONDS)
    bed.send("staying", "question")
    assert heard.wait(BOUND_SECONDS / 3)
    assert spread.wait(BOUND_SECONDS)
    assert list(bed.master.clients) == ["staying"]


def test_workers_that_have_stopped_and_are_not_ready_again_are_told_to_quit(bed: Bed) -> None:
    let_the_resting_quit(bed.master)
    bed.master.state = STATE_STOPPED
    for worker in bed.clients:
        bed.send(worker, "client_stopped")
    with gevent.Timeout(BOUND_SECONDS):
        while bed.master.clients:
            gevent.sleep(0.01)
        bed.master.quit()
        told = [client.recv().type for client in bed.clients.values()]
    assert told == ["quit", "quit"]
