"""The Docker Engine API's JSON about a swarm, as far as it is used here: bytes in, typed structures out. No I/O.

Field names are the wire's own, in its CamelCase. What is unknown is ignored; what an engine leaves out where it is zero
or empty has that as its default.
"""

from __future__ import annotations

from datetime import datetime
from typing import TypeVar

import msgspec

from swarm_ext.swarm import SwarmError

AnswerT = TypeVar("AnswerT")

_NULL = msgspec.Raw(b"null")


class _Wire(msgspec.Struct, frozen=True, gc=False, rename="pascal"):
    """What every structure of the wire is."""


class Peer(_Wire, frozen=True):
    """A manager, as another node knows it."""

    addr: str = ""


class SwarmInfo(_Wire, frozen=True):
    """What an engine knows of the swarm that it is in."""

    node_id: str = msgspec.field(name="NodeID", default="")
    local_node_state: str = "inactive"
    control_available: bool = False
    error: str = ""
    remote_managers: tuple[Peer, ...] | None = None


class EngineInfo(_Wire, frozen=True):
    """The answer of `/info`."""

    swarm: SwarmInfo = SwarmInfo()


class Resources(_Wire, frozen=True):
    """CPU in 10⁻⁹ cores, and memory; 0 is none."""

    nano_cpus: int = msgspec.field(name="NanoCPUs", default=0)
    memory_bytes: int = 0


class NodeSpec(_Wire, frozen=True):
    """What people set of a node."""

    labels: dict[str, str] | None = None
    availability: str = "active"


class NodeDescription(_Wire, frozen=True):
    """What a node says of itself."""

    hostname: str = ""
    resources: Resources = Resources()


class NodeStatus(_Wire, frozen=True):
    """How the managers see a node."""

    state: str = "unknown"
    addr: str = ""


class WireNode(_Wire, frozen=True):
    """One element of `/nodes`."""

    id: str = msgspec.field(name="ID")
    spec: NodeSpec = NodeSpec()
    description: NodeDescription = NodeDescription()
    status: NodeStatus = NodeStatus()
    manager_status: Peer | None = None


class Version(_Wire, frozen=True):
    """Grows with every change of an object."""

    index: int


class Replicated(_Wire, frozen=True):
    """A service with a number of replicas; without one it is 1."""

    replicas: int | None = None


class Mode(_Wire, frozen=True):
    """Neither of the two: a job."""

    replicated: Replicated | None = None
    global_: msgspec.Raw = msgspec.field(name="Global", default=_NULL)

    @property
    def is_global(self) -> bool:
        """Whether each node has one task."""
        return bytes(self.global_) != b"null"

    @property
    def replicas(self) -> int | None:
        """The number of replicas; None where there is no such number."""
        if self.replicated is None:
            return None
        return 1 if self.replicated.replicas is None else self.replicated.replicas


class ResourceRequirements(_Wire, frozen=True):
    """Of each replica."""

    limits: Resources | None = None
    reservations: Resources | None = None


class TaskSpec(_Wire, frozen=True):
    """What a task is to be. The container's part is kept as it came, to be compared."""

    container_spec: msgspec.Raw = _NULL
    resources: ResourceRequirements | None = None
    force_update: int = 0


class ServiceSpec(_Wire, frozen=True):
    """What people set of a service."""

    name: str
    labels: dict[str, str] | None = None
    task_template: TaskSpec = TaskSpec()
    mode: Mode = Mode()


class UpdateStatus(_Wire, frozen=True):
    """How a rolling update stands."""

    state: str = ""


class WireService(_Wire, frozen=True):
    """One element of `/services`."""

    id: str = msgspec.field(name="ID")
    version: Version
    spec: ServiceSpec
    update_status: UpdateStatus | None = None


class ContainerStatus(_Wire, frozen=True):
    """The container of a task."""

    container_id: str = msgspec.field(name="ContainerID", default="")


class TaskStatus(_Wire, frozen=True):
    """Where a task is, since when, and in the swarm's words why it is not further."""

    timestamp: datetime
    state: str
    err: str = ""
    container_status: ContainerStatus | None = None


class WireTask(_Wire, frozen=True):
    """One element of `/tasks`."""

    id: str = msgspec.field(name="ID")
    status: TaskStatus
    desired_state: str
    spec: TaskSpec = TaskSpec()
    slot: int | None = None
    node_id: str = msgspec.field(name="NodeID", default="")


class _Refusal(msgspec.Struct, frozen=True):
    message: str


def decode(answer: bytes, kind: type[AnswerT]) -> AnswerT:
    """Read an answer; raise SwarmError if it is not what the Engine API says."""
    try:
        return msgspec.json.decode(answer, type=kind)
    except msgspec.DecodeError as error:
        raise SwarmError(f"the Docker engine's answer is not what its API says: {error}") from None


def refusal(answer: bytes) -> str:
    """Return the words of an answer that is a refusal, in one line."""
    try:
        words = msgspec.json.decode(answer, type=_Refusal).message
    except msgspec.DecodeError:
        words = answer[:200].decode("utf-8", "replace")
    return " ".join(words.split())
