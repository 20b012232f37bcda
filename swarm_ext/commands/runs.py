"""`swarm-ext runs`: list, show, export, ship and delete what a store holds."""

from __future__ import annotations

import sys
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from swarm_ext.commands.run_export import FORMATS, export
from swarm_ext.commands.run_ship import lines, ship
from swarm_ext.commands.run_text import run_details, run_list
from swarm_ext.commands.store_option import spool_option, store_option
from swarm_ext.store import open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from swarm_ext.model import Run

_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for other programs.")
_run_argument = click.argument("run_id", metavar="RUN")


@click.group()
def runs() -> None:
    """List, show, export, ship and delete the runs in a store.

    RUN is a run's id, an unambiguous beginning of it, or `latest`.
    """


@runs.command("list", short_help="List the runs, oldest first.")
@store_option
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
@store_option
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


@runs.command("export", short_help="Write one run's records to files.")
@_run_argument
@store_option
@click.option(
    "--format",
    "file_format",
    type=click.Choice(FORMATS),
    default="csv",
    show_default=True,
    help="The files' kind.",
)
@click.option(
    "-o",
    "--output",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder to write to, made if need be (default: one named as the run).",
)
@click.option("--overwrite", is_flag=True, help="Replace files that are there already.")
def export_run(run_id: str, uri: str, file_format: str, output: Path | None, *, overwrite: bool) -> None:
    """Write one run's records to files, one a kind of record, and the run itself to run.json.

    \b
    Example:
      swarm-ext runs export latest --format csv -o exported
    """  # noqa: D301
    with closing(open_store(uri, must_exist=True)) as store:
        run = store.run(run_id)
        total = sum(store.counts(run.id).values())
        folder = output or Path(run.id)
        with _progress("Writing") as advance:
            written = 0

            def wrote(count: int) -> None:
                nonlocal written
                written += count
                advance(written, total)

            files = export(store, run, folder, file_format, overwrite=overwrite, progress=wrote)
    click.echo(f"Wrote run {run.id} with {written:,} records to {len(files)} files in {folder}.")


@runs.command("ship", short_help="Bring to MongoDB what waits in the spool.")
@store_option
@spool_option
@_json_option
def ship_runs(uri: str, spool: str, *, as_json: bool) -> None:
    """Bring to a MongoDB database what earlier runs left for it in the spool, because it was down or they were killed.

    The exit code is 1 if something still waits for it.

    \b
    Example:
      swarm-ext runs ship --store mongodb://localhost:27017/swarm_ext
    """  # noqa: D301
    with _progress("Shipping") as advance:
        shipment = ship(uri, spool, advance)
    if as_json:
        _print_json(shipment)
    else:
        _print_lines(lines(shipment))
    if not shipment.complete:
        sys.exit(1)


@runs.command("delete", short_help="Delete one run with all its records.")
@_run_argument
@store_option
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


@contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show how far something is, (done, of how many), on a terminal; nowhere else."""
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    yield lambda done, total: click.echo(f"\r{what}: {done:,} of {total:,} records", nl=False, err=True)
    click.echo("\r\x1b[K", nl=False, err=True)


def _print_json(value: Any) -> None:
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def _print_lines(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(line)
