"""`swarm-ext init`: begins a project of one's own."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from swarm_ext.stack.project import begin_project


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Overwrite the files that are there already.")
def init(folder: Path, *, force: bool) -> None:
    """Write the locustfiles and stack.yml into DIR, to be edited.

    \b
    Example:
      swarm-ext init shop
    """  # noqa: D301  # click's mark for a paragraph that keeps its lines
    for path in begin_project(folder, overwrite=force):
        click.echo(f"Wrote {path}")
    click.echo("\nNext:")
    if folder.resolve() != Path.cwd():
        click.echo(f"  cd {shlex.quote(str(folder))}")
    click.echo("  locust -f locustfiles/poisson.py --swarm local")
    click.echo("  swarm-ext stack deploy --init-swarm -c stack.yml")
