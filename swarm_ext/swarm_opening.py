"""Opens the swarm that the options name, before any load: a Docker swarm that is there, or an embedded one, started here."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from swarm_ext.errors import UserError
from swarm_ext.scaling_plan import DEFAULT_BOUNDS
from swarm_ext.settings import options_of
from swarm_ext.swarm.docker_swarm import open_docker_swarm
from swarm_ext.swarm.local_swarm import DEFAULT_SERVICE, LocalSwarm, cores_warning

if TYPE_CHECKING:
    from locust.env import Environment

    from swarm_ext.settings import Settings
    from swarm_ext.swarm import Swarm

logger = logging.getLogger(__name__)

DEFAULT_LOCAL_REPLICAS = 2


def open_swarm(environment: Environment, chosen: Settings) -> Swarm | None:
    """Return the swarm, to be closed by the caller; None for none. Raise UserError or SwarmError where it cannot be had.

    The embedded swarm becomes the environment's host.
    """
    if chosen.swarm == "local":
        return _start_local(environment, chosen)
    if chosen.swarm == "docker":
        return open_docker_swarm(cadvisor_port=chosen.cadvisor_port)
    return None


def service_name(swarm: Swarm, chosen: Settings) -> str:
    """Return the full name of the service under load, and say how it is; raise SwarmError where it cannot be watched."""
    state = swarm.service(chosen.service)
    if swarm.kind == "docker":
        logger.info("Service %s: %d of %d replicas are ready", state.name, state.ready, state.desired)
    return state.name


def _start_local(environment: Environment, chosen: Settings) -> LocalSwarm:
    if environment.host:
        raise UserError(
            f"--host {environment.host} and --swarm local contradict each other: the embedded swarm is the host; "
            "leave one of them out"
        )
    if chosen.service != DEFAULT_SERVICE:
        raise UserError(
            f"--service {chosen.service!r} is unknown: the embedded swarm's only service is {DEFAULT_SERVICE!r}; "
            "leave --service out"
        )
    scaled = chosen.autoscale != "off"
    replicas = chosen.initial_replicas or chosen.min_replicas or (1 if scaled else DEFAULT_LOCAL_REPLICAS)
    most = chosen.max_replicas or DEFAULT_BOUNDS.maximum if scaled else replicas
    warning = cores_warning(max(replicas, most), chosen.local_cpu_limit, os.cpu_count() or 1)
    if warning is not None:
        logger.warning("%s", warning)
    logger.info("Starting the embedded swarm: %d × %s", replicas, DEFAULT_SERVICE)
    swarm = LocalSwarm(
        replicas=replicas,
        cpu_limit_cores=chosen.local_cpu_limit,
        concurrency=chosen.local_concurrency,
        startup_seconds=chosen.local_startup_seconds,
    )
    environment.host = options_of(environment).host = swarm.url
    logger.info("The embedded swarm answers at %s%s", swarm.url, chosen.path)
    return swarm
