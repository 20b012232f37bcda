"""Options of the service under load: where it runs, and the phases of a run."""

from __future__ import annotations

from swarm_ext import option_types as t
from swarm_ext.options.option import Option
from swarm_ext.primecheck import DEFAULT_CONCURRENCY
from swarm_ext.swarm import local_swarm

SWARMS = ("none", "local", "docker")

SWARM_OPTIONS = (
    Option(
        name="swarm",
        parse=str,
        default="none",
        choices=SWARMS,
        on_page=False,
        help="where the service runs: none (not known to us), docker (a swarm whose manager DOCKER_HOST leads to) or "
        "local (start it here, as processes)",
    ),
    Option(
        name="service",
        parse=str,
        default="web",
        metavar="NAME",
        on_page=False,
        help="the service under load; in a Docker swarm its stack's name may be left out where that is unambiguous",
    ),
    Option(
        name="initial-replicas",
        parse=t.count,
        metavar="N",
        help="replicas to set before each run, and to put back after it (default: as found)",
    ),
    Option(
        name="warm-up",
        parse=t.seconds,
        default=0.0,
        metavar="S",
        help="seconds of load to leave out of the figures",
    ),
    Option(
        name="settle",
        parse=t.seconds,
        default=0.0,
        metavar="S",
        help="seconds to go on sampling and scaling after the last arrival, so that scaling in is seen",
    ),
    Option(
        name="local-cpu-limit",
        parse=t.cores,
        default=local_swarm.DEFAULT_CPU_LIMIT_CORES,
        metavar="CORES",
        on_page=False,
        help="--swarm local: CPU limit of each replica, in cores",
    ),
    Option(
        name="local-concurrency",
        parse=t.count,
        default=DEFAULT_CONCURRENCY,
        metavar="N",
        on_page=False,
        help="--swarm local: requests that a replica computes at once",
    ),
    Option(
        name="local-startup-seconds",
        parse=t.seconds,
        default=local_swarm.DEFAULT_STARTUP_SECONDS,
        metavar="S",
        on_page=False,
        help="--swarm local: a replica's start-up burst of CPU before it is ready",
    ),
)
