"""From cAdvisor's structures to our records: pure decisions about what each awkward value means."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from swarm_ext.model import ContainerSample, NodeSample, milliseconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from swarm_ext.sampling.cadvisor_wire import (
        ContainerInfo,
        ContainerSpec,
        ContainerStats,
        CpuSpec,
        Machine,
        MemorySpec,
        MemoryStats,
        NetworkStats,
    )

NANOSECONDS = 1e9
DEFAULT_PERIOD_MICROSECONDS = 100_000
"""The kernel's own CFS period, where the wire gives a quota without one."""
NO_REAL_LIMIT = 2**60
"""A quota [µs] or a memory limit [bytes] from here on is a way of writing 'none': 2^63 - 4096, 2^64 - 1."""
PLAUSIBLE_YEARS = range(1971, 9000)
"""Go's zero time is in year 1: a point stamped so was never measured."""
MAX_SLOT_DIGITS = 9
"""Longer than that it is a node's id (25 letters and digits) that happens to have digits only."""
CLOCK_SET_BACK = timedelta(seconds=30)
"""A point stamped so long before the one ahead of it was not merely late: the node's clock was set in between."""

SERVICE_LABEL = "com.docker.swarm.service.name"
TASK_LABEL = "com.docker.swarm.task.name"


class CpuPoint(NamedTuple):
    """Where a CPU counter stood: the node's time, aware UTC, and CPU seconds since the container began, if known."""

    timestamp: datetime
    cpu_usage_seconds: float | None


def container_samples(
    info: ContainerInfo,
    *,
    run_id: str,
    node: str,
    machine: Machine | None,
    previous: CpuPoint | None,
) -> list[ContainerSample]:
    """Return the points of `info` that are newer than `previous`, the container's last sample, oldest first.

    Points of the same millisecond (they would have the same key) count once, and one that arrives after a newer one
    was taken is left out. A rate is the CPU used between two neighbouring samples over the time between their own
    timestamps; it is None for the first sample, and where the counter went backwards or was not given.
    """
    container_id = info.container_id
    if container_id is None:
        return []
    spec = info.spec
    service = info.labels.get(SERVICE_LABEL)
    slot = task_slot(info.labels.get(TASK_LABEL))
    name = container_name(info, container_id)
    cpu_limit_cores = cpu_limit(spec.cpu if spec else None)
    memory_limit_bytes = memory_limit(spec.memory if spec else None, machine)
    samples: list[ContainerSample] = []
    for timestamp, point in _newer_points(info.stats or (), previous):
        current = CpuPoint(timestamp, _cpu_seconds(point, spec))
        usage_bytes, working_set_bytes = _memory_bytes(point.memory, spec)
        rx_bytes, tx_bytes = _network_bytes(point.network, spec)
        samples.append(
            ContainerSample(
                run_id=run_id,
                timestamp=timestamp,
                node=node,
                service=service,
                slot=slot,
                container_id=container_id,
                container_name=name,
                cpu_usage_seconds=current.cpu_usage_seconds,
                cpu_usage_cores=_rate(previous, current),
                cpu_limit_cores=cpu_limit_cores,
                throttled_seconds=_throttled_seconds(point),
                memory_usage_bytes=usage_bytes,
                memory_working_set_bytes=working_set_bytes,
                memory_limit_bytes=memory_limit_bytes,
                network_rx_bytes=rx_bytes,
                network_tx_bytes=tx_bytes,
            )
        )
        previous = current
    return samples


def node_samples(
    root: ContainerInfo,
    *,
    run_id: str,
    node: str,
    machine: Machine | None,
    previous: CpuPoint | None,
    clock_offset_seconds: float | None,
) -> tuple[list[NodeSample], CpuPoint | None]:
    """Return the whole machine's points that are newer than `previous`, oldest first, and the new `previous`.

    `root` is the container "/". Duplicates, order and rates are as in `container_samples`.
    """
    samples: list[NodeSample] = []
    for timestamp, point in _newer_points(root.stats or (), previous):
        current = CpuPoint(timestamp, _cpu_seconds(point, None))
        samples.append(
            NodeSample(
                run_id=run_id,
                timestamp=timestamp,
                node=node,
                cores=float(machine.num_cores) if machine and machine.num_cores else None,
                cpu_usage_cores=_rate(previous, current),
                memory_usage_bytes=_memory_bytes(point.memory, None)[0],
                memory_capacity_bytes=machine.memory_capacity if machine else None,
                clock_offset_seconds=clock_offset_seconds,
            )
        )
        previous = current
    return samples, previous


def newest_timestamp(info: ContainerInfo) -> datetime | None:
    """Return the newest of the points' timestamps, aware UTC; None if there is no plausible one."""
    return max((timestamp for timestamp, _ in _plausible(info.stats or ())), default=None)


def task_slot(task: str | None) -> int | None:
    """Return the slot in a swarm task's name: `web.2.<task id>` is slot 2 of the service `web`.

    A global service's tasks are called `web.<node id>.<task id>`: no slot. Service names may contain dots.
    """
    parts = (task or "").rsplit(".", 2)
    if len(parts) < 3 or not parts[1].isdecimal() or len(parts[1]) > MAX_SLOT_DIGITS:
        return None
    return int(parts[1])


def container_name(info: ContainerInfo, container_id: str) -> str:
    """Return Docker's name for the container, else its task's, else the beginning of its id."""
    for alias in info.aliases or ():
        if alias and alias != container_id:
            return alias.removeprefix("/")
    return info.labels.get(TASK_LABEL) or container_id[:12]


def cpu_limit(spec: CpuSpec | None) -> float | None:
    """Return the CPU limit in cores; None without one (no quota, or one of 0, -1 or 2^64 - 1)."""
    if spec is None or spec.quota is None or not 0 < spec.quota < NO_REAL_LIMIT:
        return None
    period = spec.period if spec.period and spec.period > 0 else DEFAULT_PERIOD_MICROSECONDS
    return spec.quota / period


def memory_limit(spec: MemorySpec | None, machine: Machine | None) -> int | None:
    """Return the memory limit in bytes; None without one (0, -1, about 2^63 or 2^64, or all that the machine has)."""
    if spec is None or spec.limit is None or not 0 < spec.limit < NO_REAL_LIMIT:
        return None
    capacity = machine.memory_capacity if machine else None
    return None if capacity and spec.limit >= capacity else spec.limit


def _plausible(points: Sequence[ContainerStats | None]) -> list[tuple[datetime, ContainerStats]]:
    """Return points with their UTC times, in the wire's order, without those from before the clock was set back."""
    stamped: list[tuple[datetime, ContainerStats]] = []
    for point in points:
        if point is None or point.timestamp.year not in PLAUSIBLE_YEARS:
            continue
        timestamp = point.timestamp.astimezone(UTC)
        if stamped and timestamp < stamped[-1][0] - CLOCK_SET_BACK:
            stamped.clear()
        stamped.append((timestamp, point))
    return stamped


def _newer_points(
    points: Sequence[ContainerStats | None], previous: CpuPoint | None
) -> list[tuple[datetime, ContainerStats]]:
    last = milliseconds(previous.timestamp) if previous else None
    newer: list[tuple[datetime, ContainerStats]] = []
    for timestamp, point in sorted(_plausible(points), key=lambda stamped: stamped[0]):
        stamp = milliseconds(timestamp)
        if last is None or stamp > last:
            newer.append((timestamp, point))
            last = stamp
    return newer


def _rate(previous: CpuPoint | None, current: CpuPoint) -> float | None:
    if previous is None or previous.cpu_usage_seconds is None or current.cpu_usage_seconds is None:
        return None
    used = current.cpu_usage_seconds - previous.cpu_usage_seconds
    elapsed = (current.timestamp - previous.timestamp).total_seconds()
    return used / elapsed if used >= 0 and elapsed > 0 else None


def _cpu_seconds(point: ContainerStats, spec: ContainerSpec | None) -> float | None:
    total = point.cpu.usage.total if point.cpu and point.cpu.usage else None
    if total is None or (total == 0 and spec is not None and spec.has_cpu is False):
        return None
    return total / NANOSECONDS


def _throttled_seconds(point: ContainerStats) -> float | None:
    throttled = point.cpu.cfs.throttled_time if point.cpu and point.cpu.cfs else None
    return None if throttled is None else throttled / NANOSECONDS


def _memory_bytes(memory: MemoryStats | None, spec: ContainerSpec | None) -> tuple[int | None, int | None]:
    if memory is None or (spec is not None and spec.has_memory is False and not memory.usage):
        return None, None
    return memory.usage, memory.working_set


def _network_bytes(network: NetworkStats | None, spec: ContainerSpec | None) -> tuple[int | None, int | None]:
    if network is None:
        return None, None
    interfaces = network.interfaces or (network,)
    received = [interface.rx_bytes for interface in interfaces if interface.rx_bytes is not None]
    sent = [interface.tx_bytes for interface in interfaces if interface.tx_bytes is not None]
    if spec is not None and spec.has_network is False and not any(received) and not any(sent):
        return None, None
    return (sum(received) if received else None), (sum(sent) if sent else None)
