"""One start at a time: what must be true before the page's Start button starts a run, and what Stop does meanwhile."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import gevent
from flask import make_response
from gevent.event import Event
from locust.runners import MasterRunner

from swarm_ext.errors import UserError
from swarm_ext.swarm import SwarmError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flask import Response
    from locust.env import Environment

    from swarm_ext.bench import Bench
    from swarm_ext.settings import Settings

BEGIN_SECONDS = 15.0
"""How long a start that Locust has accepted may take until its run has begun, not counting the wait for workers."""

STOP_SECONDS = 5.0
"""How long beyond --stop-timeout a start waits for the stop of the run before."""

READY_SECONDS = 1.0
"""How long beyond --stop-timeout a start waits for the workers of the run before: Locust makes each sleep for it."""

POLL_SECONDS = 0.05


class StartGate:
    """Lets starts pass one by one, each when the run before has stopped and its workers are back."""

    def __init__(self, environment: Environment, bench: Bench) -> None:
        self._environment = environment
        self._bench = bench
        self._checking = False
        self._stop_asked = Event()
        self._begun, self._stopped = Event(), Event()
        self._begun.set()
        self._stopped.set()
        self._begin_by = 0.0
        self._workers = 1
        environment.events.test_start.add_listener(lambda **_: self._begun.set())
        environment.events.test_stopping.add_listener(lambda **_: self._on_stopping())
        environment.events.test_stop.add_listener(lambda **_: self._stopped.set())

    def _on_stopping(self) -> None:
        self._stopped.clear()
        if isinstance(self._environment.runner, MasterRunner):
            self._workers = max(1, self._environment.runner.worker_count)

    @contextmanager
    def one_at_a_time(self) -> Iterator[None]:
        """Hold the gate; raise UserError if another start does, or has not led to its run yet."""
        if self._checking or self._is_beginning:
            raise UserError("a run is being started: wait until it runs, or stop it")
        self._checking = True
        self._stop_asked.clear()
        try:
            yield
        finally:
            self._checking = False

    @property
    def _is_beginning(self) -> bool:
        """Whether a start, from the page or by --autostart, has not led to its run yet."""
        accepted = not self._begun.is_set() and time.monotonic() < self._begin_by
        return accepted or self._bench.is_beginning

    def make_ready(self, chosen: Settings) -> None:
        """Wait for the run before to stop, for its workers, and for the initial replicas; raise UserError or SwarmError.

        Stop ends the wait.
        """

        def attempt() -> UserError | SwarmError | None:
            try:
                self._wait_for_stop()
                if isinstance(self._environment.runner, MasterRunner):
                    self._wait_for_workers(self._environment.runner)
                self._bench.prepare(chosen)
            except (UserError, SwarmError) as error:
                return error
            return None

        preparing = gevent.spawn(attempt)
        try:
            gevent.wait([preparing, self._stop_asked], count=1)
            if self._stop_asked.is_set():
                raise UserError("stopped meanwhile: no run was started")
            error = preparing.get()
        finally:
            preparing.kill()
        if error is not None:
            raise error

    @property
    def _stop_timeout(self) -> float:
        return float(self._environment.stop_timeout or 0.0)

    def _wait_for_stop(self) -> None:
        if not self._stopped.wait(self._stop_timeout + STOP_SECONDS):
            raise UserError("the last run is still stopping: start again when it has stopped")

    def _wait_for_workers(self, runner: MasterRunner) -> None:
        deadline = time.monotonic() + self._stop_timeout + READY_SECONDS
        while len(runner.clients.ready) < self._workers and time.monotonic() < deadline:
            gevent.sleep(POLL_SECONDS)
        ready, expected = len(runner.clients.ready), self._workers
        if ready < expected:
            self._workers = max(1, ready)  # who does not come back is waited for once
            raise UserError(
                f"{ready} of {expected} workers are ready: the others are still stopping, or gone; start again to go on with "
                f"{ready or 'those that come'}"
            )

    def begin(self, view: Callable[[], Any]) -> Response:
        """Let Locust's own `view` start the run; until it has begun, no other start passes."""
        self._begun.clear()
        self._begin_by = time.monotonic() + BEGIN_SECONDS
        accepted = False
        try:
            reply = make_response(view())
            accepted = reply.is_json and bool(reply.get_json()["success"])
        finally:
            if not accepted:
                self._begun.set()
        return reply

    def stop(self) -> None:
        """End a start that waits, for the run before or, when Locust has it, for workers."""
        self._stop_asked.set()
        self.end_beginning()

    def end_beginning(self) -> None:
        """End a run that waits for its workers; if it is otherwise beginning, wait until it has, lest it be left half begun."""
        deadline = time.monotonic() + BEGIN_SECONDS
        while self._is_beginning and time.monotonic() < deadline:
            if self._bench.is_beginning:
                self._bench.stop_beginning()
                self._begun.set()  # Locust's start of it is over
            self._begun.wait(POLL_SECONDS)
