"""`swarm-ext cadvisor`: cAdvisor on one Docker engine that is in no swarm; in a swarm stack.yml brings it."""

from __future__ import annotations

import time
from contextlib import nullcontext
from typing import TYPE_CHECKING

import click

from swarm_ext.cadvisor import CAdvisor, CAdvisorError
from swarm_ext.commands.timeout_option import timeout_option
from swarm_ext.errors import UserError
from swarm_ext.stack import single_container
from swarm_ext.stack.cadvisor_plan import cadvisor_plan
from swarm_ext.stack.container_plan import LOOPBACK, publication
from swarm_ext.stack.engine import open_engine
from swarm_ext.stack.templates import stack_default
from swarm_ext.web_address import in_brackets

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from swarm_ext.stack.engine import Engine

_ROLE = "cadvisor"
_STOP_SECONDS = 5
_name_option = click.option(
    "--name", metavar="NAME", default="swarm-ext-cadvisor", show_default=True, help="The container."
)


@click.group()
def cadvisor() -> None:
    """Run cAdvisor on the Docker engine that DOCKER_HOST names, as stack.yml does on each node of a swarm."""


@cadvisor.command("start", short_help="Start it and wait until it measures.")
@click.option(
    "--listen", "address", metavar="ADDRESS", default=LOOPBACK, show_default=True,
    help="Where it is reached; 0.0.0.0 for every address of the machine. It has no log-in.",
)  # fmt: skip
@click.option(
    "--port",
    metavar="PORT",
    type=click.IntRange(1, 65_535),
    default=70,
    show_default=True,
    help="On that address.",
)
@click.option(
    "--image", metavar="IMAGE", envvar="CADVISOR_IMAGE", default=lambda: stack_default("CADVISOR_IMAGE"),
    show_default="as in stack.yml", show_envvar=True, help="Pulled if the engine lacks it.",
)  # fmt: skip
@click.option(
    "--disable-metrics", metavar="NAMES", envvar="CADVISOR_DISABLE_METRICS",
    default=lambda: stack_default("CADVISOR_DISABLE_METRICS"), show_default="as in stack.yml", show_envvar=True,
    help="What it is not to measure.",
)  # fmt: skip
@_name_option
@timeout_option(default_seconds=120.0)
def start_cadvisor(
    *, address: str, port: int, image: str, disable_metrics: str, name: str, seconds: float
) -> None:
    """Start cAdvisor, unless it runs already, and wait until it has measured every container twice.

    \b
    Examples:
      swarm-ext cadvisor start
      swarm-ext cadvisor start --listen 10.0.0.7
      locust -f locustfiles/poisson.py --cadvisor http://localhost:70 -H http://localhost
    """  # noqa: D301  # click's mark for a paragraph that keeps its lines
    deadline = time.monotonic() + seconds
    try:
        published = publication(f"{in_brackets(address)}:{port}")
    except ValueError:
        raise UserError(
            f"--listen {address[:60]!r} must be an address of the engine's machine, as in 127.0.0.1"
        ) from None
    with open_engine() as engine:
        plan = cadvisor_plan(_ROLE, name, image, published, _docker_root(engine), disable_metrics)
        ran_before = single_container.runs_already(engine, plan)
        kept = nullcontext() if ran_before else single_container.removed_when_interrupted(engine, plan)
        with kept:
            if ran_before:
                click.echo(f"{name} runs already.")
            else:
                for line in single_container.start(engine, plan):
                    click.echo(line)
            host = published.host_from(engine.remote_host)
            if host is None:
                click.echo(
                    f"{name} is started, on {published} of {engine.remote_host} alone: it cannot be asked from here."
                )
                return
            url = published.url(host)
            container = engine.client.containers.get(name)
            with CAdvisor(url) as client:
                single_container.wait(container, _freshness(client), f"{url} to measure", deadline=deadline)
    click.echo(f"{name} measures; use it with --cadvisor {url}")


@cadvisor.command("stop", short_help="Stop and remove it.")
@_name_option
def stop_cadvisor(name: str) -> None:
    """Stop and remove cAdvisor's container.

    \b
    Example:
      swarm-ext cadvisor stop
    """  # noqa: D301
    with open_engine() as engine:
        removed = single_container.remove(engine, name, _ROLE, stop_seconds=_STOP_SECONDS)
    click.echo(f"{name} is removed." if removed else f"There is no {name}: nothing to do.")


def _docker_root(engine: Engine) -> str:
    root: str = engine.client.info()["DockerRootDir"]
    return root


def _freshness(client: CAdvisor) -> Callable[[], bool]:
    """Return whether every container has a newer point than when this was first asked."""
    first: dict[str, datetime] = {}

    def fresh() -> bool:
        try:
            reply = client.containers(points=1)
        except CAdvisorError:
            return False
        newest = {
            container.name: max(point.timestamp for point in points)
            for container in reply.containers
            if (points := [point for point in container.stats or () if point is not None])
        }
        for name, timestamp in newest.items():
            first.setdefault(name, timestamp)
        return bool(newest) and all(timestamp > first[name] for name, timestamp in newest.items())

    return fresh
