"""Locust's own users, with nothing of ours: `Fast` and `Plain` keep a schedule, `FastRusher` and `PlainRusher` rush.

Locust's users wait for each response, so a schedule needs many of them: user i of n makes the requests i, i + n, i + 2n, …
of a schedule of constant gaps, BENCH_RATE requests/s in total. One that is behind sends at once. BENCH_CONNECTION is the
header `Connection` of each request.
"""

import os
import time
from itertools import count

import gevent
from locust import FastHttpUser, HttpUser, constant, task

from benchmarks.load.meter import lateness, schedule_begins

RATE = float(os.environ.get("BENCH_RATE", "100"))
USERS = int(os.environ.get("BENCH_USERS", "1"))
HEADERS = {"Connection": os.environ.get("BENCH_CONNECTION", "keep-alive")}
SETTLED_SECONDS = 0.3
"""After so long all users are there, and the schedule begins."""

_numbers = count()
_origin: list[float] = []


class _OnSchedule:
    """Keeps one user's part of the schedule."""

    def on_start(self) -> None:
        """Wait for this user's first instant."""
        if not _origin:
            _origin.append(time.monotonic() + SETTLED_SECONDS)
            schedule_begins(_origin[0])
        self._due = _origin[0] + next(_numbers) / RATE
        gevent.sleep(max(0.0, self._due - time.monotonic()))

    def wait_time(self) -> float:
        """Return the seconds until the next instant."""
        self._due += USERS / RATE
        return max(0.0, self._due - time.monotonic())

    def note_lateness(self) -> None:
        """Note by how much the request that is made now is late."""
        lateness.append(time.monotonic() - self._due)


class Fast(_OnSchedule, FastHttpUser):
    """Locust's fast client, on schedule."""

    @task
    def visit(self) -> None:
        """Request the page."""
        self.note_lateness()
        self.client.get("/", headers=HEADERS)


class Plain(_OnSchedule, HttpUser):
    """Locust's usual client, on schedule."""

    @task
    def visit(self) -> None:
        """Request the page."""
        self.note_lateness()
        self.client.get("/", headers=HEADERS)


class FastRusher(FastHttpUser):
    """Locust's fast client, as fast as it goes."""

    wait_time = constant(0)

    @task
    def visit(self) -> None:
        """Request the page."""
        self.client.get("/", headers=HEADERS)


class PlainRusher(HttpUser):
    """Locust's usual client, as fast as it goes."""

    wait_time = constant(0)

    @task
    def visit(self) -> None:
        """Request the page."""
        self.client.get("/", headers=HEADERS)
