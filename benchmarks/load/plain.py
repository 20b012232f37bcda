"""Locust's own users, with nothing of ours: `Fast`, `FastOpen` and `Plain` keep a schedule, the rushers rush.

The schedule is one Poisson process, BENCH_RATE requests/s; what is overdue is sent at once. Locust's users wait for each
response, so it needs many of them: whoever is free takes the next arrival. That is as open as there are users, 64 of
them; with a greenlet for each arrival, and a client that they share, it is open. BENCH_CONNECTION is the header
`Connection` of each request.
"""

import os
import time
from collections.abc import Iterator

import gevent
from locust import FastHttpUser, HttpUser, constant, task

from benchmarks.load.meter import lateness, schedule_begins
from swarm_ext.arrivals import Poisson, stream_rng

RATE = float(os.environ.get("BENCH_RATE", "100"))
HEADERS = {"Connection": os.environ.get("BENCH_CONNECTION", "keep-alive")}
SETTLED_SECONDS = 0.3
"""After so long all users are there, and the schedule begins."""


def _schedule() -> Iterator[float]:
    """Yield the instants of the arrivals, in monotonic seconds."""
    origin = time.monotonic() + SETTLED_SECONDS
    schedule_begins(origin)
    for instant in Poisson(RATE).instants(stream_rng(seed=1, stream=0), 0.0):
        yield origin + instant


_instants = _schedule()


class _OnSchedule:
    """Makes one arrival after the other, as this user is free for them."""

    def on_start(self) -> None:
        """Wait for this user's first arrival."""
        gevent.sleep(self.wait_time())

    def wait_time(self) -> float:
        """Return the seconds until the next arrival."""
        self._due = next(_instants)
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


class FastOpen(FastHttpUser):
    """Locust's fast client, a greenlet for each arrival, as many as there are under way."""

    concurrency = 10_000

    @task
    def visit(self) -> None:
        """Keep the schedule."""
        for due in _instants:
            gevent.sleep(max(0.0, due - time.monotonic()))
            gevent.spawn(self._request, due)

    def _request(self, due: float) -> None:
        lateness.append(time.monotonic() - due)
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
