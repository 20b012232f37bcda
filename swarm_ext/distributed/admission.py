"""Who may take part in a master's runs: workers that say who they are, and that have its version and its locustfile."""

from __future__ import annotations

import logging
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from gevent.event import Event
from locust.runners import STATE_MISSING

from swarm_ext.distributed import wire
from swarm_ext.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable

    from locust.env import Environment
    from locust.rpc import Message
    from locust.runners import MasterRunner

logger = logging.getLogger(__name__)

SILENT_HEARTBEATS = 10
"""A worker that has sent so many of Locust's heartbeats and no hello is none of ours.

Heartbeats are counted, not seconds, so that a good worker is not refused for being slow: both go over one connection, in
order, each once a second, and both from the worker's one loop. A long way, lost packets or a master that is busy delay
both alike; a machine that stands still sends neither. A good worker's first hello comes with its first or second
heartbeat; the others are for its own listeners of Locust's `init` that wait for something before ours has its turn.
"""

GATHER_SECONDS = 60.0
"""How long a run's beginning waits at most for its workers, or for one that may take part."""

LOOK_SECONDS = 0.5

STRANGER = (
    f"it sent {SILENT_HEARTBEATS} heartbeats and no word of swarm_ext, which its locustfile does not import: "
    "give it its master's locustfile, start it with `-f -`, or stop it"
)


class Admission:
    """Admits workers by their hellos and refuses all others, at any time. Its listeners never wait.

    `on_admitted` is called with the worker's id at each of its hellos; `on_refused` with its id and the reason, once.
    """

    def __init__(
        self,
        environment: Environment,
        runner: MasterRunner,
        *,
        same_machine: bool,
        on_admitted: Callable[[str], None],
        on_refused: Callable[[str, str], None],
    ) -> None:
        self._runner = runner
        self._same_machine = same_machine
        self._on_admitted = on_admitted
        self._on_refused = on_refused
        self._identity = wire.hello(environment)
        self._admitted: set[str] = set()
        self._refused: dict[str, str] = {}
        self._silent: Counter[str] = Counter()
        self._heard = Event()
        self._hurried = False
        runner.register_message(wire.HELLO, self._on_hello)
        environment.events.heartbeat_sent.add_listener(self._on_heartbeat)

    def is_admitted(self, worker: str) -> bool:
        """Whether a worker takes part, or did until it was lost."""
        return worker in self._admitted

    def names(self) -> list[str]:
        """Return the ids of the workers that are alive and take part."""
        return [name for name in self._connected() if name in self._admitted]

    def _connected(self) -> list[str]:
        return [client.id for client in self._runner.clients.all if client.state != STATE_MISSING]

    def gather(self) -> bool:
        """Wait until each connected worker was admitted or refused, and one is there; raise UserError if none comes.

        Return True then, and False when `hurry` broke it off.
        """
        self._hurried = False
        deadline = time.monotonic() + GATHER_SECONDS
        while self.unknown() or not self.names():
            if self._hurried:
                return False
            left = deadline - time.monotonic()
            if left <= 0:
                break
            self._heard.clear()
            self._heard.wait(min(left, LOOK_SECONDS))
        for worker in self.unknown():
            self._refuse(worker, f"it did not say within {GATHER_SECONDS:.0f} s who it is")
        if not self.names():
            raise UserError(f"no worker that may take part came within {GATHER_SECONDS:.0f} s: start one")
        return True

    def hurry(self) -> None:
        """Wait no longer, if a run's beginning waits."""
        self._hurried = True
        self._heard.set()

    def unknown(self) -> list[str]:
        """Return the ids of the workers that are alive and have not said who they are."""
        return [name for name in self._connected() if name not in self._admitted]

    def _on_hello(self, msg: Message, **_: Any) -> None:
        reason = self._refused.get(msg.node_id) or wire.refusal(
            self._identity, wire.read_hello(msg.data), same_machine=self._same_machine
        )
        if reason is not None:
            self._refuse(msg.node_id, reason)
            return
        self._admitted.add(msg.node_id)
        self._heard.set()
        self._runner.send_message(wire.WELCOME, client_id=msg.node_id)
        self._on_admitted(msg.node_id)

    def _on_heartbeat(self, client_id: str, **_: Any) -> None:
        if client_id in self._admitted:
            return
        self._silent[client_id] += 1
        if client_id in self._refused or self._silent[client_id] >= SILENT_HEARTBEATS:
            self._refuse(client_id, self._refused.get(client_id, STRANGER))

    def _refuse(self, worker: str, reason: str) -> None:
        """Tell a worker to go, in our words and in Locust's, which it knows if it does not know ours; deal it nothing."""
        data: Any = wire.encode(wire.Refusal(reason=reason))
        self._runner.send_message(wire.REFUSED, data, client_id=worker)
        self._runner.send_message("quit", client_id=worker)
        self._take_out(worker)
        self._heard.set()
        if worker not in self._refused:
            self._refused[worker] = reason
            logger.error("Refused worker %s: %s", worker, reason)
            self._on_refused(worker, reason)

    def _take_out(self, worker: str) -> None:
        """Do what Locust does when a worker has gone, but for ending the run with its only one: others may come."""
        client = self._runner.clients.get(worker)
        if client is None:
            return
        del self._runner.clients[worker]
        dispatcher = self._runner._users_dispatcher  # noqa: SLF001 - it deals users to the workers it was made with
        if dispatcher is not None:
            dispatcher.remove_worker(client)
