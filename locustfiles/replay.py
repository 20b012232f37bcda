"""Recorded arrivals: those of --replay arrivals.csv, each once, shared among the users, at --path."""

from locust import task

import swarm_ext.plugin  # noqa: F401 - adds the options, the sampler, the autoscaler and the store
from swarm_ext.users import ReplayUser


class ReplayVisitor(ReplayUser):
    @task
    def visit(self) -> None:
        self.client.get(self.path)
