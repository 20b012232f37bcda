"""The `swarm-ext` command: a group whose subcommands are imported only when they are used."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, cast

import click

from swarm_ext import __version__
from swarm_ext.errors import UserError
from swarm_ext.store import StoreError
from swarm_ext.swarm import SwarmError

if TYPE_CHECKING:
    from collections.abc import Sequence

_COMMANDS = {
    "app": ("swarm_ext.commands.app", "Run the web application on one Docker engine, without a swarm."),
    "cadvisor": ("swarm_ext.commands.cadvisor", "Run cAdvisor on one Docker engine, without a swarm."),
    "init": ("swarm_ext.commands.init", "Begin a project: locustfiles and stack.yml to edit."),
    "stack": (
        "swarm_ext.commands.stack",
        "Deploy the service and what watches it to a swarm; show it; remove it.",
    ),
    "autoscale": (
        "swarm_ext.commands.autoscale",
        "Scale every labelled service of a swarm, for as long as it runs.",
    ),
    "doctor": ("swarm_ext.commands.doctor", "Say what is in order and what is not, and what to do about it."),
    "sample": ("swarm_ext.commands.sample", "Sample containers and nodes, without any load."),
    "runs": ("swarm_ext.commands.runs", "List, show, export, ship and delete the runs in a store."),
}
"""Each subcommand: the module that has it, under its own name, and what it does."""

_COOPERATIVE = frozenset({"autoscale", "sample"})
"""Subcommands that watch many things at once, by gevent: it has to be there before anything else is imported."""


class _LazyGroup(click.Group):
    """Knows its subcommands by name and summary, so that help is quick and needs no extra to be installed."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        module, _ = _COMMANDS[cmd_name]
        return cast("click.Command", getattr(import_module(module), cmd_name))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, _COMMANDS[name][1]) for name in self.list_commands(ctx)])


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="swarm-ext", message="%(prog)s %(version)s")
def cli() -> None:
    """Test how elastic a Docker Swarm service is: what comes before and after the load.

    The load itself is started by `locust`, with a locustfile that imports swarm_ext.plugin.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and exit: 0 when it is done, 1 when it was broken off, 2 for a mistake, told in one line."""
    words = sys.argv[1:] if arguments is None else arguments
    if words and words[0] in _COOPERATIVE:
        import_module("swarm_ext.without_load.cooperation").cooperate()
    try:
        cli.main(arguments, prog_name="swarm-ext")
    except (UserError, StoreError, SwarmError) as error:
        click.echo(f"swarm-ext: {error}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
