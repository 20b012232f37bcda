"""cAdvisor's JSON, version 1.3, as the embedded swarm's node serves it: points in, the wire's structures out. No I/O.

Shapes and units are those of cAdvisor's `info/v1` package, as it answers for Docker on cgroup v2.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from swarm_ext.swarm.local_measurements import Point

Json = dict[str, Any]

PERIOD_MICROSECONDS = 100_000
_SHARES_OF_A_CORE = 1024
_NO_MEMORY_LIMIT = 2**64 - 1


class InfoRequest(msgspec.Struct, frozen=True):
    """cAdvisor's ContainerInfoRequest: which points to send. `num_stats` negative: all."""

    num_stats: int = 60
    start: datetime | None = None
    end: datetime | None = None

    @property
    def start_ns(self) -> int | None:
        """Its start in ns since the epoch; None if it has none."""
        return _nanoseconds(self.start)

    @property
    def end_ns(self) -> int | None:
        """Its end in ns since the epoch; None if it has none."""
        return _nanoseconds(self.end)


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """A replica, as cAdvisor would know it."""

    id: str
    task_id: str
    slot: int
    service: str
    node: str
    created: datetime
    cpu_limit_cores: float | None


_decode_request = msgspec.json.Decoder(InfoRequest).decode


def decode_request(body: bytes) -> InfoRequest:
    """Read a request's body; an empty one asks for the newest 60 points. Raise ValueError."""
    return _decode_request(body) if body.strip() else InfoRequest()


def timestamp(nanoseconds: int) -> str:
    """Return an instant, in ns since the epoch, as RFC 3339 with nanoseconds."""
    whole = datetime.fromtimestamp(nanoseconds // 1_000_000_000, UTC)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{nanoseconds % 1_000_000_000:09d}Z"


def container_name(container: Container) -> str:
    """Return the path under which cAdvisor lists a container."""
    return f"/docker/{container.id}"


def container_info(container: Container, points: Sequence[Point]) -> Json:
    """Return the ContainerInfo of a replica."""
    task_name = f"{container.service}.{container.slot}.{container.task_id}"
    cpu: Json = {"limit": _SHARES_OF_A_CORE, "max_limit": 0, "period": PERIOD_MICROSECONDS}
    if container.cpu_limit_cores is not None:
        cpu["quota"] = round(container.cpu_limit_cores * PERIOD_MICROSECONDS)
    return {
        "id": container.id,
        "name": container_name(container),
        "aliases": [task_name, container.id],
        "namespace": "docker",
        "spec": {
            "creation_time": timestamp(round(container.created.timestamp() * 1e6) * 1000),
            "labels": {
                "com.docker.swarm.node.id": container.node,
                "com.docker.swarm.service.id": container.service,
                "com.docker.swarm.service.name": container.service,
                "com.docker.swarm.task": "",
                "com.docker.swarm.task.id": container.task_id,
                "com.docker.swarm.task.name": task_name,
            },
            "has_cpu": True,
            "cpu": cpu,
            "has_memory": True,
            "memory": {"limit": _NO_MEMORY_LIMIT},
            "has_network": True,
            "has_filesystem": False,
            "has_diskio": False,
            "image": "primecheck",
        },
        "stats": [_stats(point) | {"network": _network(point)} for point in points],
    }


def machine_container_info(
    cores: int, memory_bytes: int, names: Sequence[str], points: Sequence[Point]
) -> Json:
    """Return the ContainerInfo of `/`: the whole machine, with the containers `names` in it."""
    return {
        "name": "/",
        "subcontainers": [{"name": name} for name in names],
        "spec": {
            "has_cpu": True,
            "cpu": {"limit": cores * _SHARES_OF_A_CORE, "max_limit": 0},
            "has_memory": True,
            "memory": {"limit": memory_bytes},
            "has_network": False,
            "has_filesystem": False,
            "has_diskio": False,
        },
        "stats": [_stats(point) for point in points],
    }


def machine_info(cores: int, memory_bytes: int, machine_id: str) -> Json:
    """Return the MachineInfo."""
    return {
        "num_cores": cores,
        "memory_capacity": memory_bytes,
        "machine_id": machine_id,
        "filesystems": [],
        "network_devices": [],
        "topology": [],
        "cloud_provider": "Unknown",
    }


def _stats(point: Point) -> Json:
    return {
        "timestamp": timestamp(point.timestamp_ns),
        "cpu": {
            "usage": {
                "total": point.cpu_total_ns,
                "user": point.cpu_user_ns,
                "system": point.cpu_system_ns,
            },
            "cfs": {
                "periods": point.report.periods,
                "throttled_periods": point.report.throttled_periods,
                "throttled_time": point.report.throttled_ns,
            },
            "load_average": 0,
        },
        "memory": {
            "usage": point.memory_usage_bytes,
            "working_set": point.memory_working_set_bytes,
            "rss": point.memory_working_set_bytes,
        },
    }


def _network(point: Point) -> Mapping[str, object]:
    first = {"name": "eth0", "rx_bytes": point.report.rx_bytes, "tx_bytes": point.report.tx_bytes}
    return {**first, "interfaces": [first]}


def _nanoseconds(instant: datetime | None) -> int | None:
    """Return ns since the epoch; None for none, which Go writes as the year 1."""
    if instant is None or instant.year == 1:
        return None
    aware = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    return round(aware.timestamp() * 1e6) * 1000
