"""Arrivals with normal gaps: mean --mu and standard deviation --sigma seconds, each user, at --path."""

from locust import task

import swarm_ext.plugin  # noqa: F401 - adds the options, the sampler, the autoscaler and the store
from swarm_ext.users import NormalUser


class NormalVisitor(NormalUser):
    @task
    def visit(self) -> None:
        self.client.get(self.path)
