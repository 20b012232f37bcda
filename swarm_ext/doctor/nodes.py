"""The swarm's nodes, their cAdvisors and their clocks: judgements of what was seen. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swarm_ext.doctor.finding import Finding, ok, warning, wrong
from swarm_ext.web_address import without_credentials

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from swarm_ext.doctor.node_watch import Measured, NodeWatch
    from swarm_ext.model import Node

RARELY_SECONDS = 3.0
"""A usual interval between two points from which a container is measured too rarely: it should be 1 to 2 s."""

LARGE_OFFSET_SECONDS = 1.0

FLAGS = "--housekeeping_interval=1s --allow_dynamic_housekeeping=false"


def judge_nodes(nodes: Sequence[Node]) -> list[Finding]:
    """Judge the nodes as the managers see them."""
    findings = []
    for node in nodes:
        if node.state == "down":
            findings.append(
                warning(
                    f"node {node.name}",
                    "is down: nothing runs there",
                    f"start it, or `docker node rm {node.name}`",
                )
            )
        elif node.state == "drain":
            findings.append(
                warning(
                    f"node {node.name}",
                    "is drained: it gets no replicas, and its cAdvisor is not expected",
                    f"`docker node update --availability active {node.name}` if that is over",
                )
            )
    ready = [node.name for node in nodes if node.state == "ready"]
    if not ready:
        return [*findings, wrong("nodes", "none is ready", "see `docker node ls`")]
    return [ok("nodes", f"{len(ready)} of {len(nodes)} ready: {', '.join(ready)}"), *findings]


def judge_cadvisor(seen: NodeWatch) -> Finding:
    """Judge whether a node's cAdvisor answers, and measures each of its containers often enough."""
    subject = f"cAdvisor of {seen.node}"
    if seen.error is not None:
        return wrong(subject, *_unreachable(seen))
    if not seen.containers:
        return wrong(
            subject,
            f"{without_credentials(seen.url)} answers, but knows no container",
            "let it see Docker: it needs the mounts that stack.yml's service `cadvisor` has, above all /var/run and the "
            "engine's data folder (DOCKER_ROOT)",
        )
    stuck = [each for each in seen.containers if not each.advanced]
    if len(stuck) == len(seen.containers):
        return wrong(
            subject,
            f"it answers, but has measured nothing new for {seen.seconds:.0f} s",
            "give it CPU: reserve some for it, as stack.yml does, and look into `docker service logs` of it",
        )
    rare = [each for each in seen.containers if _is_rare(each)]
    if rare:
        shown = ", ".join(_how_rare(each, seen.seconds) for each in rare[:3])
        return wrong(
            subject,
            f"it measures {len(rare)} of {len(seen.containers)} containers too rarely ({shown}), as it does with idle ones "
            "if it may: their samples are stale",
            f"start it with {FLAGS}",
        )
    if seen.rejected:
        return warning(
            subject,
            f"{len(seen.rejected)} of its containers cannot be read: {seen.rejected[0]}",
            "tell which version of cAdvisor this is",
        )
    slowest = max(each.interval_seconds or 0.0 for each in seen.containers)
    return ok(
        subject, f"all of its containers ({len(seen.containers)}) are measured at least every {slowest:.1f} s"
    )


def judge_clock(seen: NodeWatch) -> Finding | None:
    """Judge a node's clock against this machine's; None where it is not known."""
    offset = seen.clock_offset_seconds
    if offset is None:
        return None
    subject = f"clock of {seen.node}"
    text = f"{abs(offset):.1f} s {'ahead of' if offset > 0 else 'behind'} this machine's"
    if abs(offset) > LARGE_OFFSET_SECONDS:
        return warning(
            subject,
            f"{text}: its containers are drawn that far off the load; scaling is not affected",
            "keep both in time, as by `timedatectl set-ntp true`",
        )
    return ok(subject, text if abs(offset) >= 0.1 else "agrees with this machine's")


def judge_coverage(
    service: str, running: Collection[tuple[str, str]], watches: Sequence[NodeWatch]
) -> Finding | None:
    """Judge whether the running replicas of a service, (container id, node) each, are among what is measured.

    None where nothing runs, or a node of theirs was not seen at all, which is told elsewhere.
    """
    measured = {each.container_id for seen in watches for each in seen.containers}
    seen_nodes = {seen.node for seen in watches if seen.error is None}
    visible = [(container, node) for container, node in running if node in seen_nodes]
    if not visible:
        return None
    missing = sorted({node for container, node in visible if container not in measured})
    subject = f"samples of {service}"
    if missing:
        return wrong(
            subject,
            f"cAdvisor of {', '.join(missing)} does not know replicas that run there",
            "see that it watches the same Docker engine that is in the swarm",
        )
    return ok(subject, f"all of its running replicas ({len(visible)}) are measured")


def _unreachable(seen: NodeWatch) -> tuple[str, str]:
    error = seen.error or ""
    if "no connection within" in error:
        remedy = "open its TCP port on that node to this machine"
    elif "refused" in error:
        remedy = (
            "start it there: `docker service ps` of the service `cadvisor` says why it does not run; deploy stack.yml if there is "
            "none, and give its port by --cadvisor-port if it is not 70"
        )
    else:
        remedy = "see that it is cAdvisor that answers there, and that the node is not overloaded"
    return error.partition("; ")[0], remedy


def _is_rare(each: Measured) -> bool:
    return not each.advanced or (each.interval_seconds or 0.0) > RARELY_SECONDS


def _how_rare(each: Measured, watched_seconds: float) -> str:
    if each.interval_seconds is None or (not each.advanced and each.interval_seconds < watched_seconds):
        return f"{each.name} not within {watched_seconds:.0f} s"
    return f"{each.name} every {each.interval_seconds:.0f} s"
