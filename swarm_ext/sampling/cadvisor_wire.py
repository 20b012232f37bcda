"""cAdvisor's JSON, version 1.3, as far as it is used here: bytes in, typed structures out. No I/O.

Field names are the wire's own. Unknown fields are ignored, and every measurement may be absent or null, because
versions, cgroup drivers and `--disable_metrics` differ in what they send.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CONTAINERS_IN_A_ROW = 10
"""How many are decoded at a time: a fifth of a millisecond."""

_DOCKER_ID = re.compile(r"[0-9a-f]{64}")


class WireError(ValueError):
    """The bytes are not what cAdvisor sends. The text is one line: where, and what is wrong there."""


class _Wire(msgspec.Struct, frozen=True, gc=False):
    """What every structure of the wire is: immutable, and without cycles for the collector to look for."""


class CpuSpec(_Wire, frozen=True):
    """`quota` and `period` in microseconds; quota absent: no limit. The wire's `limit` is shares, not a limit."""

    quota: int | None = None
    period: int | None = None


class MemorySpec(_Wire, frozen=True):
    """`limit` in bytes; how 'none' is written depends on the version."""

    limit: int | None = None


class ContainerSpec(_Wire, frozen=True):
    """What a container may use, and its labels. A `has_…` that is false makes that kind's zeros meaningless."""

    labels: dict[str, str] | None = None
    has_cpu: bool | None = None
    has_memory: bool | None = None
    has_network: bool | None = None
    cpu: CpuSpec | None = None
    memory: MemorySpec | None = None


class CpuUsage(_Wire, frozen=True):
    """`total`: CPU time used since the container began, nanoseconds."""

    total: int | None = None


class CpuCfs(_Wire, frozen=True):
    """`throttled_time`: time that the CPU limit kept the container waiting, nanoseconds since it began."""

    throttled_time: int | None = None


class CpuStats(_Wire, frozen=True):
    """Cumulative CPU counters."""

    usage: CpuUsage | None = None
    cfs: CpuCfs | None = None


class MemoryStats(_Wire, frozen=True):
    """Bytes now. `usage` counts the page cache, `working_set` leaves out what is inactive of it."""

    usage: int | None = None
    working_set: int | None = None


class InterfaceStats(_Wire, frozen=True):
    """Bytes of one network interface since the container began."""

    rx_bytes: int | None = None
    tx_bytes: int | None = None


class NetworkStats(InterfaceStats, frozen=True):
    """All interfaces. The counters beside the list are those of the first interface only."""

    interfaces: list[InterfaceStats] | None = None


class ContainerStats(_Wire, frozen=True):
    """One point, stamped by the node's clock."""

    timestamp: Annotated[datetime, msgspec.Meta(tz=True)]
    cpu: CpuStats | None = None
    memory: MemoryStats | None = None
    network: NetworkStats | None = None


class ContainerInfo(_Wire, frozen=True):
    """One container with its points. `name` is its cgroup's path, which differs between cgroup v1 and v2."""

    id: str | None = None
    name: str = ""
    aliases: list[str] | None = None
    spec: ContainerSpec | None = None
    stats: list[ContainerStats | None] | None = None

    @property
    def container_id(self) -> str | None:
        """Docker's full id: as given, else as found in the cgroup's path, else None."""
        if self.id:
            return self.id
        found = _DOCKER_ID.findall(self.name)
        return found[-1] if found else None

    @property
    def labels(self) -> Mapping[str, str]:
        """The container's labels; empty where there are none."""
        return (self.spec.labels if self.spec else None) or {}


class Machine(_Wire, frozen=True):
    """A node's hardware: number of logical cores, and memory in bytes."""

    num_cores: int | None = None
    memory_capacity: int | None = None


class ContainersReply(msgspec.Struct, frozen=True):
    """All containers of a node; `rejected` has one line for each whose part of the reply could not be read."""

    containers: tuple[ContainerInfo, ...]
    rejected: tuple[str, ...] = ()


class _Request(msgspec.Struct, frozen=True, omit_defaults=True):
    num_stats: int
    start: datetime | None = None


_encode = msgspec.json.Encoder().encode
_decode_map = msgspec.json.Decoder(dict[str, msgspec.Raw] | None).decode
_decode_container = msgspec.json.Decoder(ContainerInfo).decode
_decode_machine = msgspec.json.Decoder(Machine).decode


def encode_request(since: datetime | None, points: int) -> bytes:
    """Return the body that asks for the `points` newest points (-1: all) since `since`, inclusive (None: ever).

    `num_stats` is always sent, since its default of 60 drops the oldest points. `end` never is: cAdvisor takes a
    missing end as "up to the newest point", whatever the clocks say, while any instant that we could name is in the
    past of a node whose clock is ahead of it.
    """
    return _encode(_Request(num_stats=points, start=since))


def decode_containers(body: bytes, let_others: Callable[[], object] = lambda: None) -> ContainersReply:
    """Read the answer of `/docker/`: a map of cgroup path to container. Raise WireError if it is not that.

    Each container is read by itself, so that one that cannot be read does not cost the others; after every few of them
    `let_others` is called.
    """
    try:
        parts = _decode_map(body)
    except msgspec.DecodeError as error:
        raise WireError(str(error)) from None
    containers: list[ContainerInfo] = []
    rejected: list[str] = []
    for number, (name, part) in enumerate((parts or {}).items(), 1):
        if number % CONTAINERS_IN_A_ROW == 0:
            let_others()
        try:
            info = _decode_container(part)
        except msgspec.DecodeError as error:
            rejected.append(f"container {name}: {error}")
            continue
        if info.container_id is None:
            rejected.append(f"container {name}: it has no id, neither as such nor in its name")
            continue
        containers.append(info)
    return ContainersReply(tuple(containers), tuple(rejected))


def decode_container(body: bytes) -> ContainerInfo:
    """Read the answer of `/containers/…`: one container. Raise WireError if it is not that."""
    try:
        return _decode_container(body)
    except msgspec.DecodeError as error:
        raise WireError(str(error)) from None


def decode_machine(body: bytes) -> Machine:
    """Read the answer of `/machine`. Raise WireError if it is not that."""
    try:
        return _decode_machine(body)
    except msgspec.DecodeError as error:
        raise WireError(str(error)) from None
