"""Event hooks of our own, in the manner of Locust's: a locustfile listens to them as it does to Locust's events.

    from swarm_ext import events

    @events.scaling_decision.add_listener
    def tell(decision, **kwargs):
        print(decision.reason)

They fire where the run is observed: in the local process, or on the master; never on a worker. A listener that raises
gets Locust's treatment: it is logged, the others still hear the event, and the process ends with exit code 2.
"""

from locust.event import EventHook

container_samples = EventHook()
"""Fired with `samples: Sequence[ContainerSample]` for every batch that a node's cAdvisor gave."""

node_samples = EventHook()
"""Fired with `samples: Sequence[NodeSample]`, one batch a poll."""

service_samples = EventHook()
"""Fired with `samples: Sequence[ServiceSample]`, once a second and at every change."""

load_samples = EventHook()
"""Fired with `samples: Sequence[LoadSample]`, one sample a second, merged over all generating processes."""

scaling_decision = EventHook()
"""Fired with `decision: ScalingDecision` for every evaluation, also for those that change nothing."""
