"""The replicas that a run begins with: set before it, waited for, and put back after it."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

import gevent

from swarm_ext.errors import UserError
from swarm_ext.swarm import SwarmError

if TYPE_CHECKING:
    from swarm_ext.model import ServiceState
    from swarm_ext.swarm import Swarm

logger = logging.getLogger(__name__)

READY_SECONDS = 120.0
"""How long a run's beginning waits for its initial replicas."""

POLL_SECONDS = 0.25


class InitialReplicas:
    """Sets a service's replicas before a run and puts back what it found. Without a swarm it does nothing."""

    def __init__(self, swarm: Swarm | None, service: str) -> None:
        self._swarm = swarm
        self._service = service
        self._found: int | None = None

    def prepare(self, replicas: int | None) -> None:
        """Set `replicas` and wait until all are ready; raise UserError if they are not in time. None: leave them."""
        if self._swarm is None or replicas is None:
            return
        try:
            state = self._swarm.service(self._service)
            if self._found is None:
                self._found = state.desired
            if state.desired != replicas:
                self._swarm.scale(self._service, replicas)
            self._wait(self._swarm, replicas)
        except SwarmError as error:
            self.restore()
            raise UserError(f"--initial-replicas {replicas}: {error}") from None
        except BaseException:
            self.restore()
            raise

    def _wait(self, swarm: Swarm, replicas: int) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while (state := swarm.service(self._service)).ready != replicas or state.running != replicas:
            if time.monotonic() > deadline:
                raise UserError(
                    f"--initial-replicas {replicas}: only {state.ready} of {self._service} were ready after "
                    f"{READY_SECONDS:g} s ({_why(state)}); remedy that, or ask for fewer"
                )
            gevent.sleep(POLL_SECONDS)

    def restore(self) -> None:
        """Put back the replicas that were found before the run. Never raises: a run's end must go on."""
        if self._swarm is None or self._found is None:
            return
        found, self._found = self._found, None
        try:
            if self._swarm.service(self._service).desired != found:
                self._swarm.scale(self._service, found)
        except SwarmError as error:
            logger.warning(
                "%s had %d replicas before the run, which could not be put back: %s",
                self._service,
                found,
                error,
            )


def _why(state: ServiceState) -> str:
    """Return what the swarm says of the tasks that do not run."""
    errors = sorted({task.error for task in state.tasks if task.error})
    return "; ".join(errors) or "the swarm gives no reason"
