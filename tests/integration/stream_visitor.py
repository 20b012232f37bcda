"""Arrivals with normal gaps whose users ask for a path each, so that a server can tell their streams apart."""

from itertools import count

from locust import task

import swarm_ext.plugin  # noqa: F401 - adds the options
from swarm_ext.users import NormalUser

_numbers = count()


class StreamVisitor(NormalUser):
    def on_start(self) -> None:
        self.number = next(_numbers)

    @task
    def visit(self) -> None:
        self.client.get(f"/{self.number}", name="/stream")
