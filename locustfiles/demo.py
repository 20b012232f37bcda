"""The demonstration: Poisson load that steps up and down again. `make demo` runs it against the embedded swarm.

Each user is a Poisson stream of --lamb arrivals/s; the shape changes how many there are, so the asked rate is their product.
"""

from typing import ClassVar

from locust import LoadTestShape, task

import swarm_ext.plugin  # noqa: F401 - adds the options, the sampler, the autoscaler and the store
from swarm_ext.users import PoissonUser


class DemoVisitor(PoissonUser):
    @task
    def visit(self) -> None:
        self.client.get(self.path)


class UpAndDown(LoadTestShape):
    """Users at the end of each step."""

    steps: ClassVar[list[tuple[float, int]]] = [(15, 2), (50, 8), (65, 2)]

    def tick(self) -> tuple[int, float] | None:
        for until_seconds, users in self.steps:
            if self.get_run_time() < until_seconds:
                return users, 100
        return None
