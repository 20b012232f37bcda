"""Our options for commands of click: the same names, rules, defaults and environment variables as Locust's command has.

@click.command()
@with_options(option("store"), option("sample-interval", default=2.0))
def example(**values: Any) -> None:
    chosen = settings(SimpleNamespace(**values))
"""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click
from msgspec import structs

from swarm_ext.options import OPTIONS

if TYPE_CHECKING:
    from swarm_ext.options import Option

CommandT = TypeVar("CommandT", bound=Callable[..., Any])

_BY_NAME = {option.name: option for option in OPTIONS}


def option(name: str, **changes: Any) -> Option:
    """Return the option of that name, with `changes` (another default, other words) where a command needs them."""
    return structs.replace(_BY_NAME[name], **changes)


def with_options(*chosen: Option) -> Callable[[CommandT], CommandT]:
    """Give a command these options, in this order. Their values are texts that were checked, numbers, or None."""

    def decorate(command: CommandT) -> CommandT:
        for each in reversed(chosen):
            command = _decorator(each)(command)
        return command

    return decorate


def _decorator(each: Option) -> Callable[[CommandT], CommandT]:
    common: dict[str, Any] = {"envvar": each.variable, "help": each.help}
    if each.parse is None:
        return click.option(f"--{each.name}", is_flag=True, **common)
    return click.option(
        f"--{each.name}",
        each.dest,
        type=click.Choice(each.choices) if each.choices else str,
        callback=_checked(each.parse),
        default=each.default,
        show_default=each.default is not None,
        metavar=None if each.choices else each.metavar,
        **common,
    )


def _checked(parse: Callable[[str], Any]) -> Callable[[click.Context, click.Parameter, Any], Any]:
    """Return what makes sure that `parse` can turn a text into a value. It stays a text: who wants the value parses it."""

    def check(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
        try:
            if value is not None:
                parse(str(value))
        except ArgumentTypeError as error:
            raise click.BadParameter(str(error), context, parameter) from None
        return value

    return check
