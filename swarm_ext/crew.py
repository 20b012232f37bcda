"""Greenlets that run arrivals, each of them one after the other: to make a greenlet for each arrival costs more.

With a greenlet spawned for each, a keep-alive request took 1.6 times as much CPU time, and each greenlet left behind was
work for the garbage collector: with reused ones it has next to none. The crew is as large as the most that were ever
under way at once. As with Locust's own users, what a task leaves to its greenlet (a `gevent.Timeout` that was started and
not closed, greenlet-local values) is there when the next one runs.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import gevent
from gevent import Greenlet, get_hub
from gevent.event import Event

if TYPE_CHECKING:
    from collections.abc import Callable

_Job = tuple["Callable[..., None]", tuple[Any, ...]]


class Crew:
    """Runs functions concurrently, as `gevent.spawn` does, on greenlets that it keeps."""

    def __init__(self) -> None:
        self._members: set[_Worker] = set()
        self._idle: list[_Worker] = []
        self._starting: deque[tuple[_Worker, _Job]] = deque()
        self._soon = get_hub().loop.run_callback
        self._all_done = Event()
        self._all_done.set()

    def start(self, function: Callable[..., None], *arguments: Any) -> None:
        """Run a function soon, after those that were started before it. It handles its exceptions itself."""
        self._starting.append((self._idle.pop() if self._idle else self._recruit(), (function, arguments)))
        if len(self._starting) == 1:
            self._soon(self._launch)

    def _recruit(self) -> _Worker:
        worker = _Worker(self)
        self._members.add(worker)
        return worker

    def _launch(self) -> None:
        """Let those begin that have a job; in the hub, to which each returns when it first waits for something."""
        starting = self._starting
        try:
            while starting:
                worker, job = starting.popleft()
                if worker.dead:  # something that a task left to it has ended it since
                    worker = self._recruit()
                worker.job = job
                worker.switch()
        finally:
            if starting:
                self._soon(self._launch)

    def is_free(self, worker: _Worker) -> None:
        """Take a worker back that has done its job."""
        self._idle.append(worker)
        if len(self._idle) == len(self._members):
            self._all_done.set()

    def has_ended(self, worker: _Worker) -> None:
        """Forget a worker that was killed."""
        self._members.discard(worker)
        if worker in self._idle:
            self._idle.remove(worker)
        if len(self._idle) == len(self._members):
            self._all_done.set()

    def join(self, timeout_seconds: float) -> None:
        """Wait until nothing is under way, but no longer than this."""
        if len(self._idle) < len(self._members):
            self._all_done.clear()
            self._all_done.wait(timeout_seconds)

    def disband(self, timeout_seconds: float) -> None:
        """Kill what is under way, and let those go who do nothing; wait for their ends, but no longer than this."""
        workers = list(self._members)
        self._members.clear()  # one that had not begun is not heard of again
        self._idle.clear()
        self._starting.clear()
        self._all_done.set()
        for worker in workers:
            worker.dismissed = True
        with gevent.Timeout(timeout_seconds, False):  # noqa: FBT003 - gevent's way to say: no exception
            gevent.killall(workers)


class _Worker(Greenlet):  # type: ignore[misc] # gevent has no types
    """One greenlet of a crew."""

    def __init__(self, crew: Crew) -> None:
        super().__init__()
        self.job: _Job | None = None
        self.dismissed = False
        self._crew = crew

    def _run(self) -> None:
        """Do one job after the other until killed, or until it turns out that a task caught the kill."""
        park = get_hub().switch
        try:
            while not self.dismissed:
                while self.job is None:
                    try:
                        park()
                    except gevent.Timeout:
                        continue  # a task started it and did not close it
                function, arguments = self.job
                function(*arguments)
                self.job = None
                del arguments
                if not self.dismissed:
                    self._crew.is_free(self)
        finally:
            self._crew.has_ended(self)
