"""The locustfile of `client_side_by_side`: one request an arrival, by our client or by Locust's (SWARM_EXT_BENCH_CLIENT=fast).

At the end it prints what it measured as one line of JSON.
"""

import json
import os
import time
from typing import Any

from locust import events, task
from locust.env import Environment

import swarm_ext.plugin  # noqa: F401 - for its effect
from swarm_ext import users
from swarm_ext.client.fallback import FastSessions
from swarm_ext.generator import generator_of
from swarm_ext.users import PoissonUser

if os.environ.get("SWARM_EXT_BENCH_CLIENT") == "fast":
    users.sessions = FastSessions  # type: ignore[assignment] # it has the same signature


_began: list[float] = []


class Visitor(PoissonUser):
    """One request an arrival."""

    def on_start(self) -> None:
        """Note when the arrivals begin."""
        _began[:] = [time.monotonic(), time.process_time()]

    @task
    def visit(self) -> None:
        """Request the page."""
        self.client.get("/")


@events.test_stopping.add_listener
def _end(environment: Environment, **_: Any) -> None:
    done = environment.stats.total.num_requests
    if _began and done:
        rate = generator_of(environment).recorder.offered / (time.monotonic() - _began[0])
        cpu = (time.process_time() - _began[1]) / done
        print("MEASURED " + json.dumps({"offered_rate": rate, "cpu_seconds_per_request": cpu}), flush=True)
