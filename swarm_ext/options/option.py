"""What one option is: its name, its type, its default, and what its help says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec


class Option(msgspec.Struct, frozen=True, kw_only=True):
    """One option. `parse` turns a text into its value; None makes it a flag, off by default.

    `read`, which may do I/O, turns what a command line (not a page) gives into the text that `parse` takes.
    """

    name: str
    parse: Callable[[str], Any] | None = None
    read: Callable[[str], str] | None = None
    default: Any = None
    choices: tuple[str, ...] | None = None
    metavar: str | None = None
    on_page: bool = True
    help: str

    @property
    def dest(self) -> str:
        """The attribute's name among the parsed options."""
        return self.name.replace("-", "_")

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return f"SWARM_EXT_{self.dest.upper()}"
