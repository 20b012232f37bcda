"""One arrival: a task execution, from the moment it really begins to its end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from gevent.event import Event

from swarm_ext.client import header_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from locust.event import EventHook

    from swarm_ext.load import LoadRecorder, Outcome


class Arrival:
    """One arrival that was started. It hears of its requests in the place of Locust's event, and passes them on.

    `due` is its scheduled instant in monotonic seconds, None in closed-loop load; `on_end` is called once, at its end.
    """

    __slots__ = ("_due", "_ended", "_on_end", "_open", "_recorder", "_request_event", "_start", "failed")

    def __init__(
        self,
        due: float | None,
        recorder: LoadRecorder,
        request_event: EventHook,
        on_end: Callable[[Arrival], None],
    ) -> None:
        self._due = due
        self._recorder = recorder
        self._request_event = request_event
        self._on_end = on_end
        self._open = True
        self._start = 0.0
        self.failed = False
        self._ended: Event | None = None

    def begin(self) -> None:
        """Note the moment at which it really begins, and by how much that is after its scheduled instant."""
        self._start = now = time.monotonic()
        if self._due is not None:
            self._recorder.lagged(now, now - self._due)

    def fire(self, **request: object) -> None:
        """Take the measurements of one of its requests, and pass them on to Locust."""
        if request.get("exception") is not None:
            self.failed = True
        replica = header_of(request.get("response"), b"x-replica")
        if replica:
            self._recorder.answered_by(time.monotonic(), replica[:64])
        self._request_event.fire(**request)

    def end(self, outcome: Outcome) -> None:
        """Settle how it ended; only the first word counts."""
        if self._open:
            self._open = False
            now = time.monotonic()
            self._recorder.ended(now, outcome, now - self._start)
            self._on_end(self)
            if self._ended is not None:
                self._ended.set()

    def join(self) -> None:
        """Wait for its end."""
        if self._open:
            self._ended = Event()
            self._ended.wait()
