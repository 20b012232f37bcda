"""`swarm-ext app`: the web application on one Docker engine, without a swarm."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click
import requests

from swarm_ext.commands.parsed import parsed
from swarm_ext.commands.timeout_option import timeout_option
from swarm_ext.errors import UserError
from swarm_ext.stack import single_container
from swarm_ext.stack.container_plan import ContainerPlan, memory_bytes, publication
from swarm_ext.stack.engine import open_engine
from swarm_ext.stack.templates import stack_default

if TYPE_CHECKING:
    from swarm_ext.stack.container_plan import Publication

_ROLE = "app"
_STOP_SECONDS = 20
_ANSWER_SECONDS = 5.0
_name_option = click.option(
    "--name", metavar="NAME", default="swarm-ext-app", show_default=True, help="The container."
)


@click.group()
def app() -> None:
    """Run the web application on the Docker engine that DOCKER_HOST names, without a swarm."""


@app.command("run", short_help="Run the application and wait until it answers.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "--image", metavar="IMAGE", envvar="WEB_IMAGE", default=lambda: stack_default("WEB_IMAGE"),
    show_default="as in stack.yml", show_envvar=True, help="Pulled if the engine lacks it.",
)  # fmt: skip
@click.option(
    "--publish", callback=parsed(publication), metavar="[ADDRESS:]PORT", default="127.0.0.1:80", show_default=True,
    help="Where it is reached; 0.0.0.0:80 for every address of the machine.",
)  # fmt: skip
@click.option(
    "--port", metavar="PORT", type=click.IntRange(1, 65_535), envvar="WEB_PORT",
    default=lambda: int(stack_default("WEB_PORT")), show_default="as in stack.yml", show_envvar=True,
    help="What the application listens on, within the container.",
)  # fmt: skip
@click.option("--path", metavar="PATH", default="/primecheck", show_default=True, help="What is to answer.")
@click.option(
    "--cpus", metavar="CORES", type=click.FloatRange(0.01, 1024), help="CPU limit (none by default)."
)
@click.option(
    "--memory",
    metavar="BYTES",
    callback=parsed(memory_bytes),
    help="Memory limit, as in 256M (none by default).",
)
@_name_option
@timeout_option(default_seconds=120.0)
@click.option(
    "--print-docker", is_flag=True, help="Only print the `docker run` command line that does the same."
)
def run_app(  # noqa: PLR0913 - one parameter for each option
    *, command: tuple[str, ...], image: str, publish: Publication, port: int, path: str, cpus: float | None,
    memory: int | None, name: str, seconds: float, print_docker: bool,
) -> None:  # fmt: skip
    """Run the web application in a container and wait until it answers; Ctrl-C before that removes it again.

    COMMAND replaces the image's own arguments.

    \b
    Examples:
      swarm-ext app run
      swarm-ext app run --image swarm-ext/primecheck --publish 0.0.0.0:8000 --cpus 0.5
      swarm-ext app run --image swarm-ext/primecheck -- --host 0.0.0.0 --port 8080 --number 97
    """  # noqa: D301  # click's mark for a paragraph that keeps its lines
    plan = ContainerPlan(_ROLE, name, image, publish, port, command, cpus, memory)
    if print_docker:
        click.echo(plan.docker_run())
        return
    deadline = time.monotonic() + seconds
    with open_engine() as engine:
        if single_container.find(engine, name, _ROLE):
            raise UserError(
                f"{name} is there already: remove it by `swarm-ext app stop`, or give another --name"
            )
        with single_container.removed_when_interrupted(engine, plan):
            for line in single_container.start(engine, plan):
                click.echo(line)
            host = publish.host_from(engine.remote_host)
            if host is None:
                click.echo(
                    f"{name} is started. It listens on {publish} of {engine.remote_host} alone, where it cannot be asked "
                    f"from here: ssh -L {publish.port}:{publish} {engine.remote_host}"
                )
                return
            url = f"{publish.url(host)}/{path.removeprefix('/')}"
            container = engine.client.containers.get(name)
            single_container.wait(container, lambda: _answers(url), f"{url} to answer", deadline=deadline)
    click.echo(f"{name} answers at {url}")


@app.command("stop", short_help="Stop and remove it.")
@_name_option
def stop_app(name: str) -> None:
    """Stop and remove the application's container; requests in flight are given 20 s.

    \b
    Example:
      swarm-ext app stop
    """  # noqa: D301
    with open_engine() as engine:
        if not single_container.remove(engine, name, _ROLE, stop_seconds=_STOP_SECONDS):
            raise UserError(f"there is no container {name}: `docker ps` lists what runs")
    click.echo(f"{name} is removed.")


def _answers(url: str) -> bool:
    try:
        with requests.Session() as session:
            session.trust_env = False
            return session.get(url, timeout=_ANSWER_SECONDS).ok
    except requests.RequestException:
        return False
