"""Poisson arrivals whose rate varies in time: --rate-profile, such as 10@60s,10..50@2m, of each user, at --path."""

from locust import task

import swarm_ext.plugin  # noqa: F401 - adds the options, the sampler, the autoscaler and the store
from swarm_ext.users import ProfileUser


class ProfileVisitor(ProfileUser):
    @task
    def visit(self) -> None:
        self.client.get(self.path)
