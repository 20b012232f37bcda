"""Watches one service of a swarm while a run lasts: its replicas, once a second and at every change."""

from __future__ import annotations

import logging
import math
import time
from typing import TYPE_CHECKING

import gevent
from gevent.event import Event
from gevent.lock import BoundedSemaphore

from swarm_ext.model import ServiceSample, from_epoch
from swarm_ext.sampling.ticks import next_tick
from swarm_ext.troubles import TroubleLog

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from swarm_ext.model import ServiceState, Trouble
    from swarm_ext.swarm import Swarm

SAMPLE_SECONDS = 1.0

_log = logging.getLogger(__name__)


class ServiceWatcher:
    """Asks `swarm` for `service` every `interval_seconds`, and keeps the `latest` answer.

    `on_samples` gets a list of one ServiceSample once a second, and at once when something in it has changed; changes
    that come and go between two looks are not seen. A swarm or listener that fails ends nothing: it is counted, and
    logged once when it begins and once when it ends. Times are our own clock's. Needs a running gevent hub.
    """

    def __init__(
        self,
        run_id: str,
        swarm: Swarm,
        service: str,
        *,
        on_samples: Callable[[Sequence[ServiceSample]], object],
        interval_seconds: float = 0.5,
    ) -> None:
        if not 0 < interval_seconds <= SAMPLE_SECONDS:
            raise ValueError(
                f"interval_seconds={interval_seconds!r} must be above 0 and at most {SAMPLE_SECONDS:g}; try 0.5"
            )
        self._run_id = run_id
        self._swarm = swarm
        self._service = service
        self._on_samples = on_samples
        self._interval_seconds = interval_seconds
        self._latest: ServiceState | None = None
        self._latest_at = -math.inf
        self._sampled_at = -math.inf
        self._one_at_a_time = BoundedSemaphore()
        self._stopping = Event()
        self._greenlet: gevent.Greenlet | None = None
        self._swarm_log = TroubleLog(f"service {service}", _log)
        self._listener_log = TroubleLog("listener to service samples", _log)

    @property
    def latest(self) -> ServiceState | None:
        """The newest state that the swarm gave; None before the first. `age_seconds` tells how old it is."""
        return self._latest

    @property
    def age_seconds(self) -> float:
        """How long ago the swarm gave the `latest` state; infinity before the first."""
        return time.monotonic() - self._latest_at

    def start(self) -> None:
        """Begin, in the background."""
        if self._greenlet is not None:
            raise RuntimeError("this watcher was started already; make a new one for each run")
        self._greenlet = gevent.spawn(self._run)

    def look(self) -> ServiceState | None:
        """Ask now, tell the listener if something changed or a second has passed, and return the latest state."""
        with self._one_at_a_time:
            try:
                state = self._swarm.service(self._service)
            except Exception as error:  # noqa: BLE001  whatever a swarm raises, the run goes on
                self._swarm_log.failed(f"{type(error).__name__}: {' '.join(str(error).split())}")
                return self._latest
            self._swarm_log.succeeded()
            changed = self._latest is None or _told(state) != _told(self._latest)
            self._latest = state
            self._latest_at = now = time.monotonic()
            if changed or now - self._sampled_at >= SAMPLE_SECONDS - self._interval_seconds / 2:
                self._sampled_at = now
                self._tell(state)
            return state

    def stop(self, timeout_seconds: float = 5.0) -> None:
        """Look a last time and end, within the timeout. Idempotent."""
        self._stopping.set()
        if self._greenlet is not None:
            self._greenlet.join(timeout_seconds)
            self._greenlet.kill()

    def troubles(self) -> list[Trouble]:
        """Return what failed so far, with counts."""
        return [trouble for log in (self._swarm_log, self._listener_log) if (trouble := log.trouble())]

    def _run(self) -> None:
        tick = time.monotonic()
        while not self._stopping.is_set():
            self.look()
            now = time.monotonic()
            tick = next_tick(tick, now, self._interval_seconds)
            self._stopping.wait(tick - now)
        self.look()

    def _tell(self, state: ServiceState) -> None:
        sample = ServiceSample(
            run_id=self._run_id,
            timestamp=from_epoch(time.time()),
            service=state.name,
            desired=state.desired,
            running=state.running,
            ready=state.ready,
            pending=state.pending,
            update_state=state.update_state,
            tasks=state.tasks,
        )
        try:
            self._on_samples([sample])
        except Exception as error:  # noqa: BLE001  a listener's mistake must not end the watch
            self._listener_log.failed(f"{type(error).__name__}: {' '.join(str(error).split())}")
        else:
            self._listener_log.succeeded()


def _told(state: ServiceState) -> tuple[object, ...]:
    """Return what a sample tells of a state: a change of anything else is no change."""
    return (state.desired, state.running, state.ready, state.pending, state.update_state, state.tasks)
