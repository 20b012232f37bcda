"""The option by which a command that waits is told when to give up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from swarm_ext.commands.click_options import CommandT


def timeout_option(default_seconds: float) -> Callable[[CommandT], CommandT]:
    """Return `--timeout`; its command takes it as `seconds`."""
    return click.option(
        "--timeout",
        "seconds",
        metavar="S",
        type=click.FloatRange(1, 86_400),
        default=default_seconds,
        show_default=True,
        help="Give up after so many seconds.",
    )
