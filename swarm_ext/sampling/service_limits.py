"""The limits that a service's own specification knows, where a node's cAdvisor does not tell them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import structs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from swarm_ext.model import ContainerSample, ServiceState


def with_service_limits(
    samples: Sequence[ContainerSample], service: ServiceState | None
) -> Sequence[ContainerSample]:
    """Return the samples; those of `service` that have no limit get its own.

    (cAdvisor before v0.40 gives no CPU limit on cgroup v2.) A limit that was measured stays: while limits are being
    updated, replicas differ.
    """
    if service is None or (service.cpu_limit_cores is None and service.memory_limit_bytes is None):
        return samples
    return [_completed(sample, service) if sample.service == service.name else sample for sample in samples]


def _completed(sample: ContainerSample, service: ServiceState) -> ContainerSample:
    if sample.cpu_limit_cores is not None and sample.memory_limit_bytes is not None:
        return sample
    cores, memory_bytes = sample.cpu_limit_cores, sample.memory_limit_bytes
    return structs.replace(
        sample,
        cpu_limit_cores=service.cpu_limit_cores if cores is None else cores,
        memory_limit_bytes=service.memory_limit_bytes if memory_bytes is None else memory_bytes,
    )
