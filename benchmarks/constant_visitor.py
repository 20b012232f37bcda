"""The locustfile of `fidelity`: --lamb arrivals/s of each user at constant gaps, as other generators make them."""

from locust import task

import swarm_ext.plugin  # noqa: F401 - for its effect
from swarm_ext.arrivals import Constant
from swarm_ext.settings import Settings
from swarm_ext.users import ArrivalUser


class ConstantVisitor(ArrivalUser):
    """One request an arrival."""

    @classmethod
    def arrival_process(cls, chosen: Settings) -> Constant:
        """Return the metronome of the asked rate."""
        return Constant(chosen.lamb)

    @task
    def visit(self) -> None:
        """Request the page."""
        self.client.get(self.path)
