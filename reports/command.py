"""The `swarm-report` command: a run in a store, as one page and as images."""

from __future__ import annotations

import sys
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from swarm_ext import __version__
from swarm_ext.commands.store_option import store_option
from swarm_ext.errors import UserError
from swarm_ext.slo import Slo
from swarm_ext.store import StoreError, open_store

if TYPE_CHECKING:
    from collections.abc import Sequence

_NEEDED = ("pandas", "altair", "vl_convert", "jinja2")


def _slo(_context: click.Context, _parameter: click.Parameter, text: str | None) -> Slo | None:
    try:
        return None if text is None else Slo.parse(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="swarm-report", message="%(prog)s %(version)s")
@click.argument("run_id", metavar="[RUN]", default="latest")
@store_option
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    default="report.html",
    show_default=True,
    help="The page to write: one HTML file that needs nothing else.",
)
@click.option(
    "--png",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Also write each chart, and CPU and memory of each container, as PNG files into this folder.",
)
@click.option(
    "--slo",
    metavar="LIMIT:SHARE",
    callback=_slo,
    help="What to judge by, such as 500ms:95%: 95 % of the arrivals answered within 500 ms (default: the run's own).",
)
def report(run_id: str, uri: str, output: Path, png: Path | None, slo: Slo | None) -> None:
    """Report on RUN: its id, an unambiguous beginning of it, or `latest`, which is the default.

    \b
    Example:
      swarm-report latest --store sqlite:///swarm-ext.db -o report.html --png charts --slo 500ms:95%
    """  # noqa: D301  # click's mark for a paragraph that keeps its lines
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise UserError(f"reports need {', '.join(missing)}: pip install 'swarm-ext[reports]'")
    from reports.page import render  # noqa: PLC0415  # a second of imports that --help and mistakes do without

    with closing(open_store(uri, must_exist=True)) as store:
        rendered = render(store, run_id, html=output, png=png, slo=slo)
    click.echo(f"{rendered.run_id}: {rendered.verdict.headline}")
    click.echo(f"Report: {output}")
    if png is not None:
        click.echo(f"Charts: {len(rendered.files) - 1} PNG files in {png}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and exit: 0 when it is done, 1 when it was broken off, 2 for a mistake, told in one line."""
    try:
        report.main(arguments, prog_name="swarm-report", standalone_mode=False)
    except click.Abort:
        sys.exit(1)
    except click.ClickException as error:
        _fail(error.format_message())
    except (UserError, StoreError) as error:
        _fail(str(error))


def _fail(message: str) -> None:
    click.echo(f"swarm-report: {message}", err=True)
    sys.exit(2)


if __name__ == "__main__":
    main()
