"""A worker that leaves does not keep the master from hearing the others.

Locust spreads a leaving worker's users over the others in the greenlet that reads all messages, and waits there, for a
second, until the others report their new users: a message that it does not read meanwhile. Nor would it read what they ask
of a lease, and they would offer nothing when theirs is spent.

A worker that has stopped is nobody to Locust's master until it says, --stop-timeout later, that it is ready again. It would
not be told to quit if the master quits before that, and wait a minute for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import gevent
from locust.rpc import Message
from locust.runners import STATE_RUNNING

if TYPE_CHECKING:
    from locust.runners import MasterRunner


def hear_others_meanwhile(runner: MasterRunner) -> None:
    """Let what Locust does when a worker quits during a run be done in a greenlet of its own."""
    handle = runner.handle_message

    def handle_message(client_id: str, msg: Message) -> None:
        if msg.type == "quit" and runner.state == STATE_RUNNING:
            gevent.spawn(handle, client_id, msg)
        else:
            handle(client_id, msg)

    runner.handle_message = handle_message  # type: ignore[method-assign]


def let_the_resting_quit(runner: MasterRunner) -> None:
    """Let a master that quits tell those workers, too, that have stopped and are not ready again."""
    handle, leave = runner.handle_message, runner.quit
    resting: set[str] = set()

    def handle_message(client_id: str, msg: Message) -> None:
        if msg.type == "client_stopped":
            resting.add(client_id)
        elif msg.type in {"client_ready", "quit"}:
            resting.discard(client_id)
        handle(client_id, msg)

    def quit_all() -> None:
        for worker in resting:
            runner.server.send_to_client(Message("quit", None, worker))
        resting.clear()
        leave()

    runner.handle_message = handle_message  # type: ignore[method-assign]
    runner.quit = quit_all  # type: ignore[method-assign]
