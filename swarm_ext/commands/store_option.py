"""The options by which every command that reads runs is told where they are."""

from __future__ import annotations

import click

from swarm_ext.store import DEFAULT_SPOOL, DEFAULT_STORE

store_option = click.option(
    "--store",
    "uri",
    metavar="URI",
    envvar="SWARM_EXT_STORE",
    default=DEFAULT_STORE,
    show_default=True,
    show_envvar=True,
    help="The store: sqlite:///file.db or mongodb://host:port/database. All on the machine can read a command line: give its "
    "user and password by SWARM_EXT_MONGO_USERNAME and SWARM_EXT_MONGO_PASSWORD, or SWARM_EXT_MONGO_PASSWORD_FILE.",
)

spool_option = click.option(
    "--spool",
    metavar="FILE",
    envvar="SWARM_EXT_SPOOL",
    default=DEFAULT_SPOOL,
    show_default=True,
    show_envvar=True,
    help="The file in which runs wait for their database.",
)
