"""Our users, one request an arrival. `Visitor` keeps a Poisson schedule, `Metronome` one of constant gaps (BENCH_RATE/s).

`Rusher` goes as fast as it can.
"""

import os

from locust import task

import benchmarks.load.meter  # noqa: F401 - for its effect
import swarm_ext.plugin  # noqa: F401 - for its effect
from swarm_ext.arrivals import Constant
from swarm_ext.users import ArrivalUser, ClosedUser, PoissonUser


class Visitor(PoissonUser):
    """Requests the page at each arrival."""

    @task
    def visit(self) -> None:
        """Request the page."""
        self.client.get("/")


class Metronome(ArrivalUser):
    """Requests the page at equal intervals."""

    arrivals = Constant(float(os.environ.get("BENCH_RATE", "100")))

    @task
    def visit(self) -> None:
        """Request the page."""
        self.client.get("/")


class Rusher(ClosedUser):
    """Requests the page again and again."""

    @task
    def visit(self) -> None:
        """Request the page."""
        self.client.get("/")
