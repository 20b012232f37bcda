"""What a swarm does next with the slots of a service: pure decisions."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from itertools import count, islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet


@dataclass(frozen=True, slots=True)
class Plan:
    """Slots to start a task in, and slots whose task is to be stopped, each in the order to do it."""

    start: tuple[int, ...] = ()
    stop: tuple[int, ...] = ()


def plan(desired: int, active: AbstractSet[int]) -> Plan:
    """Return how to get from the slots that have a task meant to run to `desired` of them.

    Out: the lowest free slots, from 1. In: the highest slots first. Tasks that stay are not touched.
    """
    missing = desired - len(active)
    if missing > 0:
        return Plan(start=tuple(islice((slot for slot in count(1) if slot not in active), missing)))
    return Plan(stop=tuple(sorted(active, reverse=True)[:-missing]) if missing else ())


def exit_error(code: int) -> str | None:
    """Return in words why a task failed, by its process's exit code (negative: a signal); None for success."""
    if code == 0:
        return None
    if code > 0:
        return f"exit code {code}"
    try:
        return f"killed by signal {-code} ({signal.Signals(-code).name})"
    except ValueError:
        return f"killed by signal {-code}"
