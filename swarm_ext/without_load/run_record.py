"""The record of a run that has no load: what was asked for, and by which versions. No credentials."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import gevent
from msgspec import structs

from swarm_ext import __version__
from swarm_ext.model import Run
from swarm_ext.run_id import new_run_id
from swarm_ext.settings import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from swarm_ext.model import Trouble
    from swarm_ext.options import Option
    from swarm_ext.settings import Settings

COMMAND = "command"
"""The option that says which command made a run; a run of Locust's has none."""
DURATION = "duration"
"""The option that says how long a run was to last; one without it goes on until somebody ends it."""


def new_run(
    command: str,
    options: Mapping[str, Any],
    *,
    swarm: str | None,
    service: str | None,
    tags: Mapping[str, str] | None = None,
) -> Run:
    """Return the record of a run of `command` that begins now, with the options that it was given."""
    start = datetime.now(UTC)
    return Run(
        id=new_run_id(start),
        start=start,
        swarm=swarm,
        service=service,
        options={COMMAND: command, **options},
        tags=dict(tags or {}),
        versions={
            "swarm-ext": __version__,
            "gevent": gevent.__version__,
            "python": platform.python_version(),
        },
    )


def options_given(chosen: Settings, options: Iterable[Option]) -> dict[str, Any]:
    """Return the settings of these options as they are kept with a run: without credentials, and without the service."""
    asked = {option.dest for option in options} - {"service"}  # that is the run's own
    return {name: value for name, value in shown(chosen).items() if name in asked}


def ended(run: Run, troubles: Iterable[Trouble]) -> Run:
    """Return the run as one that has come to its end just now."""
    return structs.replace(run, end=datetime.now(UTC), exit_status="finished", troubles=tuple(troubles))


def is_open_ended(run: Run) -> bool:
    """Return whether a run was begun without an end in sight, so that its records must not be kept for ever."""
    return COMMAND in run.options and DURATION not in run.options
