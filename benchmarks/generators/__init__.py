"""The generators that are measured side by side, each behind the same function: so many requests/s for a slice of time."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.generators import k6, locust_users, ours, vegeta, wrk
from benchmarks.names import FAST, FAST_OPEN, K6, OURS, PLAIN, UNSAMPLED, VEGETA, WRK

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.bed import Bed
    from benchmarks.slices import Mode, Slice


@dataclass(frozen=True)
class Generator:
    """A generator. `run` makes one slice: rate [1/s], None for as fast as it goes. `program`: what has to be installed."""

    name: str
    run: Callable[[Bed, Mode, float | None], Slice]
    program: str | None = None
    paced: bool = True


GENERATORS = (
    Generator(OURS, ours.sampled),
    Generator(UNSAMPLED, ours.unsampled),
    Generator(VEGETA, vegeta.run, "vegeta"),
    Generator(K6, k6.timed, "k6"),
    Generator(FAST_OPEN, locust_users.fast_open),
    Generator(FAST, locust_users.fast),
    Generator(PLAIN, locust_users.plain),
    Generator(WRK, wrk.run, "wrk", paced=False),
)


def present() -> list[Generator]:
    """Return those that are installed here."""
    return [one for one in GENERATORS if one.program is None or shutil.which(one.program)]


def absent() -> list[str]:
    """Return the programs that are not."""
    return [one.program for one in GENERATORS if one.program and not shutil.which(one.program)]
