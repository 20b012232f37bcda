"""Waits for a stack that was deployed, and tells how far it is."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from swarm_ext.errors import UserError
from swarm_ext.stack.convergence import Convergence, progress_of, unfinished
from swarm_ext.stack.snapshot import look

if TYPE_CHECKING:
    from collections.abc import Iterator

    from swarm_ext.stack.snapshot import Stack
    from swarm_ext.swarm.docker_connection import DockerConnection

_POLL_SECONDS = 0.5


def wait_until_there(connection: DockerConnection, before: Stack, *, deadline: float) -> Iterator[str]:
    """Wait until every task of the stack runs as asked; yield its progress whenever that changes.

    `before` is the stack as it was before it was deployed. Raise UserError, in the swarm's own words, as soon as it is
    clear that it will not become what was asked for, or at `deadline` (monotonic).
    """
    convergence = Convergence(before)
    told = ""
    while True:
        stack = look(connection, before.name)
        progress = progress_of(stack)
        line = ", ".join(map(str, progress))
        if line != told:
            told = line
            yield line
        hopeless = convergence.hopeless(stack, time.monotonic())
        if hopeless:
            raise UserError(f"stack {before.name} is deployed, but does not run: {hopeless}")
        if all(service.done for service in progress):
            return
        if time.monotonic() > deadline:
            raise UserError(
                f"stack {before.name} is deployed, but not complete in time: {unfinished(stack)}; "
                f"look again with `swarm-ext stack display {before.name}`, or give a longer --timeout"
            )
        time.sleep(_POLL_SECONDS)
