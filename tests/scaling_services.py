"""What the tests of policies and their bounds share: a service as it is shown to them, and what its replicas use."""

from __future__ import annotations

from hypothesis import settings

from swarm_ext.model import ServiceState, UpdateState
from swarm_ext.scaling import ReplicaUse

derandomized = settings(derandomize=True, deadline=None, max_examples=300)


def service(
    desired: int,
    *,
    limit: float | None = 0.5,
    reservation: float | None = None,
    update_state: UpdateState | None = None,
) -> ServiceState:
    return ServiceState(
        name="web",
        desired=desired,
        running=desired,
        ready=desired,
        pending=0,
        update_state=update_state,
        tasks=(),
        cpu_limit_cores=limit,
        cpu_reservation_cores=reservation,
        memory_limit_bytes=None,
        labels={},
    )


def uses(*cores: float, throttled: float = 0.0) -> tuple[ReplicaUse, ...]:
    return tuple(ReplicaUse(each, throttled) for each in cores)
