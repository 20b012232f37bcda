"""A worker that leaves does not keep the master from hearing the others.

Locust spreads a leaving worker's users over the others in the greenlet that reads all messages, and waits there, for a
second, until the others report their new users: a message that it does not read meanwhile. Nor would it read what they ask
of a lease, and they would offer nothing when theirs is spent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import gevent
from locust.runners import STATE_RUNNING

if TYPE_CHECKING:
    from locust.rpc import Message
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
