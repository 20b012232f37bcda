"""From the Engine API's structures to our records: pure decisions about what each awkward value means."""

from __future__ import annotations

from collections import Counter
from ipaddress import ip_address
from typing import TYPE_CHECKING, Literal, get_args

from swarm_ext.model import Node, ServiceState, Task, TaskState, UpdateState
from swarm_ext.sampling.cadvisor_urls import parse_urls
from swarm_ext.swarm import SwarmError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from swarm_ext.swarm.docker_wire import Resources, WireNode, WireService, WireTask

NANO = 1e-9
ADDRESS_LABEL = "swarm-ext.address"
"""A label of a node (`docker node update --label-add`) that says where to reach it, whatever it reports itself."""

_ACTIVE = ("running", "ready")
_TASK_STATES: frozenset[str] = frozenset(get_args(TaskState))
_UPDATE_STATES: frozenset[str] = frozenset(get_args(UpdateState))
NodeState = Literal["ready", "down", "drain", "unknown"]


def node_names(nodes: Iterable[WireNode]) -> dict[str, str]:
    """Return each node's name by its id: its host name, with the beginning of its id where several have the same."""
    by_id = {node.id: node.description.hostname or node.id[:12] for node in nodes}
    times = Counter(by_id.values())
    return {id_: name if times[name] == 1 else f"{name}-{id_[:5]}" for id_, name in by_id.items()}


def node_records(nodes: Sequence[WireNode], cadvisor_port: int, local_address: str | None) -> list[Node]:
    """Return the nodes' records, by name. Raise SwarmError where a node's label gives no usable address.

    `local_address` stands for an address that only its own machine can use (0.0.0.0, 127.0.0.1); None if the manager
    is this machine. Nodes that are down, or drained (the swarm has then shut their cAdvisor down), have no
    `cadvisor_url`.
    """
    names = node_names(nodes)
    records = []
    for node in nodes:
        state = _state(node)
        address = node_address(node, local_address)
        url = _cadvisor_url(names[node.id], address, cadvisor_port) if address else None
        records.append(
            Node(
                id=node.id,
                name=names[node.id],
                address=address,
                state=state,
                cadvisor_url=url if state in {"ready", "unknown"} else None,
                cores=node.description.resources.nano_cpus * NANO or None,
            )
        )
    return sorted(records, key=lambda record: record.name)


def node_address(node: WireNode, local_address: str | None) -> str:
    """Return where to reach a node: its label's word, else what it reports, else where the managers know it.

    A manager that was initialised with a listening address reports 0.0.0.0 or 127.0.0.1.
    """
    label = (node.spec.labels or {}).get(ADDRESS_LABEL, "").strip()
    if label:
        return label
    manager = node.manager_status.addr.rpartition(":")[0].strip("[]") if node.manager_status else ""
    reported = [address for address in (node.status.addr, manager) if address]
    useful = [address for address in reported if not _is_of_its_own_machine(address)]
    if useful:
        return useful[0]
    return (local_address or "127.0.0.1") if reported else ""


def service_state(
    service: WireService,
    tasks: Sequence[WireTask],
    ended: Sequence[WireTask],
    names: Mapping[str, str],
) -> ServiceState:
    """Return the service's record.

    `tasks` are those that should be there, or should go and have not yet; of `ended` ones the newest of a slot is told
    where nothing runs in that slot: it says why. `names` are the nodes', by id.
    """
    resources = service.spec.task_template.resources
    limits, reservations = (resources.limits, resources.reservations) if resources else (None, None)
    records = [_task(task, names) for task in tasks]
    records += [_task(task, names) for task in _tell_why(tasks, ended)]
    active = [record for record in records if record.desired_state in _ACTIVE]
    running = [record for record in active if record.desired_state == record.state == "running"]
    replicas = service.spec.mode.replicas
    update = service.update_status.state if service.update_status else ""
    return ServiceState(
        name=service.spec.name,
        mode="global" if replicas is None else "replicated",
        desired=len(active) if replicas is None else replicas,
        running=len(running),
        ready=sum(record.ready for record in running),
        pending=len(active) - len(running),
        update_state=update if update in _UPDATE_STATES else None,  # type: ignore[arg-type]
        tasks=tuple(sorted(records, key=lambda record: (record.slot or 0, record.node, record.id))),
        cpu_limit_cores=_cores(limits),
        cpu_reservation_cores=_cores(reservations),
        memory_limit_bytes=(limits.memory_bytes or None) if limits else None,
        labels=dict(service.spec.labels or {}),
    )


def _tell_why(tasks: Iterable[WireTask], ended: Iterable[WireTask]) -> list[WireTask]:
    running = {_place(task) for task in tasks if task.status.state == "running"}
    newest: dict[object, WireTask] = {}
    for task in sorted(ended, key=lambda task: task.status.timestamp):
        if task.status.err and _place(task) not in running:
            newest[_place(task)] = task
    return list(newest.values())


def _place(task: WireTask) -> object:
    return task.slot or task.node_id


def _task(task: WireTask, names: Mapping[str, str]) -> Task:
    container = task.status.container_status
    state, desired_state = _task_state(task.status.state), _task_state(task.desired_state)
    return Task(
        id=task.id,
        slot=task.slot or None,
        node=names.get(task.node_id, task.node_id[:12]),
        container_id=(container.container_id or None) if container else None,
        state=state,
        desired_state=desired_state,
        ready=state == "running",  # an engine says so only once a container with a health check is healthy
        since=task.status.timestamp,
        error=" ".join(task.status.err.split()) or None,
    )


def _task_state(word: str) -> TaskState:
    return word if word in _TASK_STATES else "new"  # type: ignore[return-value]


def _state(node: WireNode) -> NodeState:
    if node.status.state == "down":
        return "down"
    if node.spec.availability == "drain":
        return "drain"
    return "ready" if node.status.state == "ready" else "unknown"


def _cadvisor_url(name: str, address: str, port: int) -> str:
    host = f"[{address}]" if _is_version_6(address) else address
    url = f"http://{host}:{port}"
    try:
        return parse_urls(url)[0]
    except ValueError as error:
        raise SwarmError(
            f"node {name}: its label {ADDRESS_LABEL} is {address!r}, which is no address: {error}; correct it by "
            f"`docker node update --label-add {ADDRESS_LABEL}=ADDRESS {name}`"
        ) from None


def _is_of_its_own_machine(address: str) -> bool:
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    return ip.is_unspecified or ip.is_loopback


def _is_version_6(address: str) -> bool:
    try:
        return ip_address(address).version == 6
    except ValueError:
        return False


def _cores(resources: Resources | None) -> float | None:
    return resources.nano_cpus * NANO if resources and resources.nano_cpus else None
