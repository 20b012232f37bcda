"""Looks at a stack as a manager's API answers them, put together for tests of what is decided from them."""

from __future__ import annotations

from typing import Any

import msgspec

from swarm_ext.stack.snapshot import Stack, StackService, StackTask
from swarm_ext.swarm.docker_wire import WireNode

STACK = "shop"


def node(name: str, *, manager: bool = False, state: str = "ready", availability: str = "active") -> WireNode:
    return msgspec.convert(
        {
            "ID": name,
            "Spec": {"Availability": availability},
            "Description": {"Hostname": name, "Resources": {"NanoCPUs": 2_000_000_000}},
            "Status": {"State": state, "Addr": f"10.0.0.{len(name)}"},
            **({"ManagerStatus": {"Addr": "10.0.0.1:2377"}} if manager else {}),
        },
        WireNode,
    )


def service(name: str, **more: Any) -> StackService:
    """A service of `replicas` (None: global), asking for `image`; `update` is (state, message), `ports` as on the wire."""
    replicas = more.get("replicas", 1)
    return _decode(
        {
            "ID": f"id-{name}",
            "Version": {"Index": 7},
            "Spec": {
                "Name": f"{STACK}_{name}",
                "TaskTemplate": {"ContainerSpec": {"Image": more.get("image", "image:1")}},
                "Mode": {"Global": {}} if replicas is None else {"Replicated": {"Replicas": replicas}},
            },
            "UpdateStatus": {"State": more["update"][0], "Message": more["update"][1]}
            if "update" in more
            else None,
            "Endpoint": {"Ports": more.get("ports", [])},
        },
        StackService,
    )


def task(name: str, slot: int | None = 1, **more: Any) -> StackTask:
    """A task of the service `name`: `state`, `desired`, `error`, `image`, and `node` it is on."""
    state = more.get("state", "running")
    return _decode(
        {
            "ID": more.get("id", f"{name}.{slot}.{more.get('node', '')}.{state}"),
            "ServiceID": f"id-{name}",
            "NodeID": more.get("node", ""),
            "Slot": slot,
            "DesiredState": more.get("desired", "running"),
            "Status": {
                "State": state,
                "Err": more.get("error", ""),
                "Timestamp": f"2026-11-22T10:00:{more.get('second', 0):02}Z",
            },
            "Spec": {"ContainerSpec": {"Image": more.get("image", "image:1")}},
        },
        StackTask,
    )


def stack(services: list[StackService], tasks: list[StackTask], nodes: list[WireNode] | None = None) -> Stack:
    return Stack(
        STACK, tuple(nodes or [node("n1", manager=True), node("n22")]), tuple(services), tuple(tasks)
    )


def _decode(value: dict[str, Any], kind: type[Any]) -> Any:
    return msgspec.json.decode(msgspec.json.encode(value), type=kind)
