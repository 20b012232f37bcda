"""A service that is to be scaled: whether it can be, how it is labelled, and whether its replicas find a place. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swarm_ext.doctor.finding import Finding, ok, warning, wrong
from swarm_ext.errors import UserError
from swarm_ext.scaling.bounds import MAXIMUM_LABEL, MINIMUM_LABEL, bounds_from
from swarm_ext.scaling.labels import ENABLED_LABEL
from swarm_ext.scaling_plan import DEFAULT_BOUNDS
from swarm_ext.swarm import update_under_way

if TYPE_CHECKING:
    from collections.abc import Sequence

    from swarm_ext.model import ServiceState, Task
    from swarm_ext.swarm.docker_labels import ServiceLabels

KNOWN_LABELS = (ENABLED_LABEL, MINIMUM_LABEL, MAXIMUM_LABEL)


def judge_service(state: ServiceState) -> list[Finding]:
    """Judge whether a service can be scaled at all, and by its utilisation."""
    subject = f"service {state.name}"
    if state.mode == "global":
        return [
            wrong(
                subject,
                "is global, one replica a node: the number of its replicas cannot be changed",
                "deploy it with `mode: replicated`",
            )
        ]
    findings = [_judge_replicas(subject, state), judge_limit(state)]
    update = update_under_way(state.update_state)
    if update:
        findings.append(
            warning(
                f"update of {state.name}",
                f"it is {update}, and is not scaled until that has ended",
                f"wait for it; one that is paused goes on with `docker service update {state.name}` or back with "
                f"`docker service rollback {state.name}`",
            )
        )
    return findings


def _judge_replicas(subject: str, state: ServiceState) -> Finding:
    if state.desired == 0:
        return wrong(
            subject,
            "has 0 replicas, which switches its scaling off",
            f"`docker service scale {state.name}=1`",
        )
    text = f"{state.ready} of {state.desired} replicas are ready"
    if state.ready == 0:
        return wrong(subject, text, f"see why none starts: `docker service ps --no-trunc {state.name}`")
    if state.ready < state.desired:
        return warning(subject, text, "wait: those that start are not counted yet; or see its tasks below")
    return ok(subject, text)


def judge_limit(state: ServiceState) -> Finding:
    """Judge whether a service has a utilisation: it is CPU used over a limit, or over a reservation."""
    subject = f"CPU limit of {state.name}"
    if state.cpu_limit_cores:
        return ok(subject, f"{state.cpu_limit_cores:g} cores a replica")
    if state.cpu_reservation_cores:
        return ok(
            subject,
            f"none; utilisation is of its reservation, {state.cpu_reservation_cores:g} cores a replica",
        )
    return wrong(
        subject,
        "it has neither a limit nor a reservation, so it has no utilisation to scale by",
        "set deploy.resources.limits.cpus in the stack file and deploy it, or now: "
        f"`docker service update --limit-cpu 0.5 {state.name}`; or scale by --target-cores",
    )


def judge_labels(found: ServiceLabels) -> list[Finding]:
    """Judge the autoscaler's labels of a service: where they are, which there are, and what they say."""
    subject = f"labels of {found.name}"
    misplaced = {
        name: value for name, value in found.container_labels.items() if name.startswith(ENABLED_LABEL)
    }
    own = {name: value for name, value in found.labels.items() if name.startswith(ENABLED_LABEL)}
    findings = []
    if misplaced.keys() - own.keys():
        add = " ".join(f"--label-add {name}={value}" for name, value in sorted(misplaced.items()))
        findings.append(
            wrong(
                subject,
                f"{', '.join(sorted(misplaced))}: on its containers, where the autoscaler does not look",
                "move them in the stack file from `labels:` to `deploy:` `labels:`, or now, without restarting anything: "
                f"`docker service update {add} {found.name}`",
            )
        )
    strange = sorted(own.keys() - set(KNOWN_LABELS))
    if strange:
        findings.append(
            wrong(subject, f"{', '.join(strange)} means nothing", f"there are {', '.join(KNOWN_LABELS)}")
        )
    if own or not findings:
        findings.append(_judge_values(subject, found.name, own))
    return findings


def _judge_values(subject: str, name: str, own: dict[str, str]) -> Finding:
    enabled = own.get(ENABLED_LABEL)
    switch_on = (
        f"`docker service update --label-add {ENABLED_LABEL}=true {name}`, and the same under deploy.labels"
    )
    if enabled is None:
        text = f"not labelled {ENABLED_LABEL}=true: `swarm-ext autoscale` leaves it alone, `locust --autoscale` scales it"
        return warning(subject, text, f"for `swarm-ext autoscale`: {switch_on}")
    if enabled.strip().lower() == "false":
        return warning(subject, f"{ENABLED_LABEL} is false: `swarm-ext autoscale` leaves it alone", switch_on)
    if enabled.strip().lower() != "true":
        return wrong(subject, f"{ENABLED_LABEL} is {enabled!r}, which is neither true nor false", switch_on)
    try:
        bounds = bounds_from(None, None, own, DEFAULT_BOUNDS)
    except UserError as error:
        text, _, remedy = str(error).partition(": ")
        return wrong(subject, text, remedy)
    return ok(subject, f"scaled between {bounds.minimum} and {bounds.maximum} replicas")


def judge_tasks(state: ServiceState) -> Finding | None:
    """Judge the tasks that should run and do not, by the swarm's own reasons; None where there is none."""
    waiting = [task for task in state.tasks if task.error and task.state != "running"]
    if not waiting:
        return None
    reasons = list(dict.fromkeys(task.error or "" for task in waiting))
    return wrong(
        f"tasks of {state.name}",
        f"not running: {len(waiting)}, the swarm says: {'; '.join(reasons[:3])}",
        _remedy(reasons[0], waiting, state.name),
    )


def _remedy(reason: str, waiting: Sequence[Task], name: str) -> str:
    for sign, remedy in _REMEDIES:
        if sign in reason.lower():
            return remedy
    if all(task.state == "pending" for task in waiting):
        return "give the swarm a node that fits: see the service's deploy.placement and deploy.resources.reservations"
    return f"see `docker service ps --no-trunc {name}` and `docker service logs {name}`"


_REMEDIES = (
    (
        "insufficient resources",
        "add a node, lower deploy.resources.reservations, or lower the maximum to what fits",
    ),
    (
        "constraints not satisfied",
        "see deploy.placement.constraints (stack.yml's WEB_CONSTRAINT keeps replicas off managers) and `docker node ls`",
    ),
    ("max replicas per node", "add a node, or raise deploy.placement.max_replicas_per_node"),
    (
        "host-mode port already in use",
        "a host's port can be had once a node: add a node, or publish it in ingress mode",
    ),
    ("no such image", "push the image to where every node can pull it, and deploy with --with-registry-auth"),
    (
        "pull access denied",
        "push the image to where every node can pull it, and deploy with --with-registry-auth",
    ),
    ("unhealthy", "its health check fails: give it more start_period or CPU, or mend the check"),
    ("non-zero exit", "the application ends by itself: `docker service logs` tells why"),
)
"""The swarm's words, and what to do."""
