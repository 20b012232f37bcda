"""`swarm-ext stack`: deploy the service under test and what watches it to a swarm, look at it, take it away."""

from __future__ import annotations

import os
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from swarm_ext.commands.stack_text import stack_text
from swarm_ext.commands.timeout_option import timeout_option
from swarm_ext.errors import UserError
from swarm_ext.stack import mongo_secret
from swarm_ext.stack.deployment import CONSTRAINT_VARIABLE, Deployment, deploy, web_constraint
from swarm_ext.stack.engine import open_engine, require_manager, said
from swarm_ext.stack.overview import overview
from swarm_ext.stack.removal import parts_of, remove_data, remove_stack
from swarm_ext.stack.snapshot import look, stack_names
from swarm_ext.stack.templates import MONGO_PORT_FILE, STACK_FILE, stack_default, template
from swarm_ext.stack.waiting import wait_until_there
from swarm_ext.swarm.docker_records import node_records

if TYPE_CHECKING:
    from swarm_ext.stack.engine import Engine
    from swarm_ext.stack.overview import Overview
    from swarm_ext.stack.removal import Parts

DEFAULT_NAME = "swarm-ext"
_CADVISOR_PORT = 70


def _stack_name(_context: click.Context, _parameter: click.Parameter, name: str) -> str:
    """Return a name that the swarm takes; raise UserError before anything is made under another."""
    if not re.fullmatch(r"[a-z0-9]([a-z0-9_-]*[a-z0-9])?", name):
        raise UserError(
            f"stack name {name!r}: give small letters, digits, - and _, with a letter or digit at both ends"
        )
    return name


_name_argument = click.argument("name", metavar="[NAME]", default=DEFAULT_NAME, callback=_stack_name)
_timeout_option = timeout_option(default_seconds=300.0)


@click.group()
def stack() -> None:
    """Deploy the service under test and what watches it to a Docker swarm.

    NAME is the stack's name, swarm-ext by default. The swarm is the one that DOCKER_HOST leads to a manager of, as for
    any Docker client.
    """


@stack.command("deploy", short_help="Deploy stack.yml and wait until it runs.")
@_name_argument
@click.option(
    "-c",
    "--compose-file",
    "files",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    multiple=True,
    help="Deploy this file instead of the stack.yml that comes with swarm-ext; several are merged in their order.",
)
@click.option(
    "--init-swarm", is_flag=True, help="Make this engine the manager of a new swarm, if it is in none."
)
@click.option(
    "--advertise-addr",
    metavar="ADDRESS",
    help="With --init-swarm: the address or interface for the other nodes.",
)
@click.option(
    "--replicas", metavar="N", type=click.IntRange(1), help="Replicas of the web service (WEB_REPLICAS)."
)
@click.option("--mongo-volume", metavar="NAME", help="Keep MongoDB's data in this volume (MONGO_VOLUME).")
@click.option("--publish-mongo", is_flag=True, help="Publish MongoDB on port 3306: put a firewall before it.")
@_timeout_option
def deploy_stack(
    name: str, *, init_swarm: bool, advertise_addr: str | None, seconds: float, **chosen: Any
) -> None:
    """Deploy stack.yml, and wait until all of it runs, or tell what the swarm says why it does not.

    The password of its MongoDB is a Docker secret, mongo_password. It is made once: from SWARM_EXT_MONGO_PASSWORD,
    else as you answer, else at random.

    \b
    Examples:
      swarm-ext stack deploy --init-swarm --advertise-addr 10.0.0.1
      WEB_IMAGE=shop:2 WEB_CPUS=0.5 swarm-ext stack deploy --replicas 4
      swarm-ext stack deploy shop -c stack.yml -c shop.yml --timeout 600
    """  # noqa: D301  # click's mark for a paragraph that keeps its lines
    deadline = time.monotonic() + seconds
    if advertise_addr and not init_swarm:
        raise UserError("--advertise-addr is for a new swarm: give --init-swarm, too")
    with open_engine() as engine:
        if init_swarm:
            _init_swarm(engine, advertise_addr)
        require_manager(engine.swarm_info())
        before = look(engine.connection, name)
        deployment = _deployment(name, web_constraint(before.nodes, os.environ), **chosen)
        has_mongo = mongo_secret.is_used(deployment.files)
        if has_mongo:
            ask = _ask_password if sys.stdin.isatty() else None
            click.echo(mongo_secret.ensure(engine, _secret_name(), os.environ, ask))
        if CONSTRAINT_VARIABLE in deployment.variables:
            constraint = deployment.variables[CONSTRAINT_VARIABLE]
            click.echo(
                f"No node is a worker: the web service may run on managers ({CONSTRAINT_VARIABLE}={constraint!r})."
            )
        for line in deploy(deployment, seconds=deadline - time.monotonic()):
            click.echo(line)
        for line in wait_until_there(engine.connection, before, deadline=deadline):
            click.echo(line)
        click.echo()
        _print_overview(_seen(engine, name))
    if has_mongo:
        click.echo(f"\nMongoDB's password, where it runs: {mongo_secret.how_to_read(name)}")


@stack.command("display", short_help="Show nodes, services, tasks, and where each answers.")
@_name_argument
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for other programs.")
def display_stack(name: str, *, as_json: bool) -> None:
    """Show the swarm's nodes, the stack's services and tasks, and where each answers.

    \b
    Examples:
      swarm-ext stack display
      swarm-ext stack display shop --json
    """  # noqa: D301
    with open_engine() as engine:
        seen = _seen(engine, name)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(seen), indent=2).decode())
    else:
        _print_overview(seen)


@stack.command("leave", short_help="Remove the stack; --leave-swarm also the swarm.")
@_name_argument
@click.option("--volumes", is_flag=True, help="Remove MongoDB's data on this node and its password as well.")
@click.option("--leave-swarm", is_flag=True, help="Let this engine leave its swarm afterwards.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_timeout_option
def leave_stack(name: str, *, volumes: bool, leave_swarm: bool, yes: bool, seconds: float) -> None:
    """Remove the stack: its services and networks. MongoDB's data and its password stay, unless --volumes.

    \b
    Examples:
      swarm-ext stack leave
      swarm-ext stack leave --volumes --leave-swarm --yes
    """  # noqa: D301
    with open_engine() as engine:
        require_manager(engine.swarm_info())
        parts = parts_of(engine, name)
        if not parts and not leave_swarm and not volumes:
            raise _no_such_stack(engine, name)
        if not yes:
            click.confirm(_question(name, parts, volumes=volumes, leave_swarm=leave_swarm), abort=True)
        for line in remove_stack(engine, name, parts, seconds=seconds):
            click.echo(line)
        if volumes:
            for line in remove_data(engine, name, _secret_name(), seconds=seconds):
                click.echo(line)
        if leave_swarm:
            _leave_swarm(engine)


def _deployment(
    name: str,
    constraint: str | None,
    *,
    files: tuple[Path, ...],
    replicas: int | None,
    mongo_volume: str | None,
    publish_mongo: bool,
) -> Deployment:
    chosen = {
        CONSTRAINT_VARIABLE: constraint,
        "WEB_REPLICAS": None if replicas is None else str(replicas),
        "MONGO_VOLUME": mongo_volume,
    }
    return Deployment(
        name=name,
        files=[*(files or (template(STACK_FILE),)), *((template(MONGO_PORT_FILE),) if publish_mongo else ())],
        variables={variable: value for variable, value in chosen.items() if value is not None},
    )


def _init_swarm(engine: Engine, advertise_addr: str | None) -> None:
    from docker.errors import APIError  # noqa: PLC0415 - who has no swarm needs no SDK

    info = engine.swarm_info()
    if info.local_node_state == "inactive":
        try:
            engine.client.swarm.init(advertise_addr=advertise_addr)
        except APIError as error:
            remedy = (
                ""
                if advertise_addr
                else "; give --advertise-addr, the address at which the other nodes reach this one"
            )
            raise UserError(f"no swarm could be made: {said(error)}{remedy}") from None
        click.echo("This engine is now the manager of a new swarm.")
    elif not info.control_available:
        return
    else:
        click.echo("This engine is the manager of a swarm already.")
    manager = next(
        node.manager_status for node in look(engine.connection, DEFAULT_NAME).nodes if node.manager_status
    )
    engine.client.swarm.reload()
    token = engine.client.swarm.attrs["JoinTokens"]["Worker"]
    click.echo(f"To add a worker, run there: docker swarm join --token {token} {manager.addr}")


def _leave_swarm(engine: Engine) -> None:
    nodes = look(engine.connection, DEFAULT_NAME).nodes
    own = engine.swarm_info().node_id
    others = sorted(node.description.hostname for node in nodes if node.id != own)
    engine.client.swarm.leave(force=True)
    click.echo("This engine left its swarm.")
    if others:
        click.echo(f"These nodes leave by themselves, with `docker swarm leave` there: {', '.join(others)}")


def _seen(engine: Engine, name: str) -> Overview:
    require_manager(engine.swarm_info())
    found = look(engine.connection, name)
    if not found.services:
        raise _no_such_stack(engine, name)
    return overview(found, node_records(found.nodes, _CADVISOR_PORT, engine.remote_host))


def _no_such_stack(engine: Engine, name: str) -> UserError:
    known = stack_names(engine.connection)
    return UserError(
        f"the swarm has no stack {name!r}; "
        + (
            f"give one of {', '.join(known)}"
            if known
            else "it has none at all: deploy it by `swarm-ext stack deploy`"
        )
    )


def _secret_name() -> str:
    return os.environ.get("MONGO_SECRET") or stack_default("MONGO_SECRET")


def _question(name: str, parts: Parts, *, volumes: bool, leave_swarm: bool) -> str:
    count = len(parts.services)
    doings = [f"remove stack {name} with {count} service{'' if count == 1 else 's'}"] if parts else []
    doings += ["remove MongoDB's data on this node and its password"] if volumes else []
    doings += ["leave the swarm"] if leave_swarm else []
    return f"Really {', '.join(doings)}?"


def _print_overview(seen: Overview) -> None:
    for line in stack_text(seen):
        click.echo(line)


def _ask_password() -> str:
    answer: str = click.prompt(
        "A password for MongoDB (none: a random one)", default="", hide_input=True, show_default=False
    )
    return answer
