"""A closed-loop stress test: -u clients, each sends its next request when the last was answered, as `ab -c` does."""

from locust import task

import swarm_ext.plugin  # noqa: F401 - adds the options, the sampler, the autoscaler and the store
from swarm_ext.users import ClosedUser


class ClosedVisitor(ClosedUser):
    @task
    def visit(self) -> None:
        self.client.get(self.path)
