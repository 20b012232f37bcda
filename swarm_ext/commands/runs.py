"""`swarm-ext runs`: list, show and delete what a store holds."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import click
import msgspec

from swarm_ext.commands.run_text import run_details, run_list
from swarm_ext.store import DEFAULT_STORE, open_store

if TYPE_CHECKING:
    from collections.abc import Iterable

    from swarm_ext.model import Run

_store_option = click.option(
    "--store",
    "uri",
    metavar="URI",
    envvar="SWARM_EXT_STORE",
    default=DEFAULT_STORE,
    show_default=True,
    show_envvar=True,
    help="The store: sqlite:///relative.db or sqlite:////absolute.db.",
)
_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for other programs.")
_run_argument = click.argument("run_id", metavar="RUN")


@click.group()
def runs() -> None:
    """List, show and delete the runs in a store.

    RUN is a run's id, an unambiguous beginning of it, or `latest`.
    """


@runs.command("list", short_help="List the runs, oldest first.")
@_store_option
@_json_option
def list_runs(uri: str, *, as_json: bool) -> None:
    """List the runs, oldest first.

    \b
    Example:
      swarm-ext runs list --store sqlite:///swarm-ext.db
    """  # noqa: D301  # click's mark for a paragraph that keeps its lines
    with closing(open_store(uri, must_exist=True)) as store:
        found = store.runs()
    if as_json:
        _print_json(found)
    elif found:
        _print_lines(run_list(found))
    else:
        click.echo(f"{store.uri} holds no runs yet.")


@runs.command("show", short_help="Show what is known of one run.")
@_run_argument
@_store_option
@_json_option
def show_run(run_id: str, uri: str, *, as_json: bool) -> None:
    """Show one run: options, phases, totals, how many records it has, troubles.

    \b
    Examples:
      swarm-ext runs show latest
      swarm-ext runs show 20261122-0147 --json
    """  # noqa: D301
    with closing(open_store(uri, must_exist=True)) as store:
        run = store.run(run_id)
        counts = store.counts(run.id)
    if as_json:
        _print_json({**msgspec.to_builtins(run, str_keys=True), "records": counts})
    else:
        _print_lines(run_details(run, counts))


@runs.command("delete", short_help="Delete one run with all its records.")
@_run_argument
@_store_option
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete_run(run_id: str, uri: str, *, yes: bool) -> None:
    """Delete one run with all its records.

    \b
    Example:
      swarm-ext runs delete 20261122-014705-7f3a --yes
    """  # noqa: D301
    with closing(open_store(uri, must_exist=True)) as store:
        run = store.run(run_id)
        if not yes:
            click.confirm(f"Delete {_summary(run, store.counts(run.id))} from {store.uri}?", abort=True)
        deleted = store.delete(run.id)
    click.echo(f"Deleted {_summary(run, deleted)}.")


def _summary(run: Run, counts: dict[str, int]) -> str:
    return f"run {run.id} ({run.exit_status}) with {sum(counts.values()):,} records"


def _print_json(value: Any) -> None:
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def _print_lines(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(line)
