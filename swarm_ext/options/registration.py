"""Our options as options of Locust: on its command line, in its configuration, and on its page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from swarm_ext.options import GROUPS
from swarm_ext.options.arrivals import ARRIVAL_OPTIONS

if TYPE_CHECKING:
    from collections.abc import Callable

    from configargparse import ArgumentParser

    from swarm_ext.options import Option

ENVIRONMENT = "Each option below is an environment variable, too: SWARM_EXT_LAMB for --lamb, and so on."


def _plain(option: Option) -> Callable[[str], Any]:
    """Check a text by the option's `parse` and keep it as text unless its value is a plain one.

    Parsed options travel to workers and into the page's form, which know numbers and texts only.
    """
    parse, read = option.parse or str, option.read or str

    def check(text: str) -> Any:
        text = read(text)
        value = parse(text)
        return value if isinstance(value, (int, float)) else text

    return check


def add_options(parser: ArgumentParser) -> None:
    """Add every option to Locust's parser, under headings of their own. Pure: Locust calls it on every page load."""
    for heading, options in GROUPS:
        group = parser.add_argument_group(heading, ENVIRONMENT if options is ARRIVAL_OPTIONS else None)
        for option in options:
            _add(group, option)


def _add(group: Any, option: Option) -> None:
    # the page shows help texts as they are, so nothing in them is left for argparse to fill in
    text = option.help if option.default is None else f"{option.help} (default: {option.default})"
    common: dict[str, Any] = {"env_var": option.variable, "help": text}
    if option.parse is None:
        action = group.add_argument(f"--{option.name}", action="store_true", **common)
    else:
        action = group.add_argument(
            f"--{option.name}",
            type=_plain(option),
            default=option.default,
            choices=option.choices,
            metavar=None if option.choices else option.metavar,
            **common,
        )
    # a group's add_argument is argparse's own: what Locust's parser would set is set here
    action.include_in_web_ui = option.on_page
    action.is_secret = action.is_required = action.is_multiple = False
