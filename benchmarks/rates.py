"""What the rounds of the comparison say: rates, and ratios of rates that were found within the same round. Pure."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from benchmarks.names import OURS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.slices import Mode

Kind = Literal["sustained", "peak"]


class Spread(NamedTuple):
    """The median of some values, the lowest and the highest of them."""

    median: float
    low: float
    high: float


def spread(values: Sequence[float]) -> Spread | None:
    """Return the spread of values; None if there are none."""
    return Spread(statistics.median(values), min(values), max(values)) if values else None


def rates(section: Mapping[str, Any], mode: Mode, kind: Kind, name: str) -> list[float]:
    """Return the rates [1/s] that a generator reached, one for each round in which it has a figure."""
    return [one[kind][name] for one in section["rounds"] if one["mode"] == mode and name in one[kind]]


def ratios(section: Mapping[str, Any], mode: Mode, kind: Kind, peer: str, ours: str = OURS) -> list[float]:
    """Return our rate divided by a peer's, one for each round in which both have a figure."""
    return [
        one[kind][ours] / one[kind][peer]
        for one in section["rounds"]
        if one["mode"] == mode and ours in one[kind] and one[kind].get(peer)
    ]


def sustained_median(sections: Mapping[str, Any], mode: Mode) -> float | None:
    """Return the rate [1/s] that this generator sustains with its sampler on; None if it was not measured."""
    found = spread(rates(sections.get("side_by_side", {"rounds": []}), mode, "sustained", OURS))
    return found.median if found else None
