"""Measure the generators side by side: peak and sustained open-loop rate of each, on one core.

    .venv/bin/python -m benchmarks.side_by_side --minutes 25

*Peak* is a closed loop of 64 clients. *Sustained* is the highest asked rate that is really offered (97 %), with nothing
dropped, no error, and lateness p99 at most 5 ms where the generator tells it; a `Staircase` finds it. In a round all take
turns in short slices: first each at its peak, then each at its own step of its own staircase, until all have found their
rate. So a ratio within a round compares what ran within the same minutes.
"""

from __future__ import annotations

import argparse
import time
from itertools import count
from typing import TYPE_CHECKING, Any

import msgspec

from benchmarks import generators, results
from benchmarks.bed import bed
from benchmarks.pinned import require
from benchmarks.slices import Mode, Slice
from benchmarks.staircase import Staircase

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.bed import Bed
    from benchmarks.generators import Generator

FIRST_SHARE = 0.4
"""The first search begins at this share of the generator's peak."""


class Comparison:
    """Fills `figures`: the rates that each round found, and every slice that they rest on. Stops at `deadline` (monotonic)."""

    def __init__(
        self, bed: Bed, taking_part: Sequence[Generator], deadline: float, figures: dict[str, Any]
    ) -> None:
        self._bed = bed
        self._taking_part = taking_part
        self._deadline = deadline
        self._found: dict[tuple[Mode, str], float] = {}
        self._rounds: list[dict[str, Any]] = figures.setdefault("rounds", [])
        self._slices: list[dict[str, Any]] = figures.setdefault("slices", [])

    @property
    def over(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() >= self._deadline

    def run(self, modes: Sequence[Mode], most_rounds: int) -> None:
        """Make rounds until the time is up."""
        for number in count(1):
            for mode in modes:
                if self.over:
                    return
                found: dict[str, Any] = {"round": number, "mode": mode, "peak": {}, "sustained": {}}
                self._rounds.append(found)
                self._peaks(found)
                self._climb(found)
            if number == most_rounds:
                return

    def _peaks(self, found: dict[str, Any]) -> None:
        for generator in self._taking_part:
            if not self.over:
                found["peak"][generator.name] = self._slice(generator, found, None).offered

    def _climb(self, found: dict[str, Any]) -> None:
        """Let all climb together; what has not ended when the time is up is not a figure."""
        climbing: dict[str, Staircase] = {}
        paced = [one for one in self._taking_part if one.paced and found["peak"].get(one.name)]
        for generator in paced:
            first = FIRST_SHARE * found["peak"][generator.name]
            climbing[generator.name] = Staircase(self._found.get((found["mode"], generator.name), first))
        while climbing:
            for generator in paced:
                stairs = climbing.get(generator.name)
                if stairs is None:
                    continue
                if self.over:
                    return
                stairs.record(sustained=self._slice(generator, found, stairs.rate).sustained)
                if stairs.done:
                    del climbing[generator.name]
                    self._keep(found, generator.name, stairs)

    def _keep(self, found: dict[str, Any], name: str, stairs: Staircase) -> None:
        if stairs.found is None:
            results.progress(f"  {name} sustained no rate down to {stairs.rate:,.0f}/s")
            return
        found["sustained"][name] = self._found[found["mode"], name] = stairs.found

    def _slice(self, generator: Generator, found: dict[str, Any], rate: float | None) -> Slice:
        measured = generator.run(self._bed, found["mode"], rate)
        about = {"round": found["round"], "mode": found["mode"], "generator": generator.name}
        self._slices.append({**about, **msgspec.to_builtins(measured)})
        results.progress(f"{found['round']} {found['mode']:21} {generator.name:23} {words(measured)}")
        return measured


def words(measured: Slice) -> str:
    """Return a slice in a line."""
    parts = [f"{measured.offered:8,.0f}/s"]
    if measured.asked is not None:
        parts += [f"of {measured.asked:8,.0f}/s", "sustained" if measured.sustained else "not sustained"]
    if measured.late_p99_seconds is not None:
        parts.append(f"late p99 {measured.late_p99_seconds * 1000:.2f} ms")
    parts += [
        f"{count} {what}"
        for count, what in ((measured.errors, "errors"), (measured.dropped, "dropped"))
        if count
    ]
    return ", ".join(parts)


def main() -> None:
    """Measure until the time is up, or Ctrl-C."""
    parser = argparse.ArgumentParser(
        description="Measure this generator beside its peers, in short slices in turn."
    )
    parser.add_argument("--minutes", type=float, default=12.0, help="how long in all (default: %(default)g)")
    parser.add_argument(
        "--rounds", type=int, default=0, help="end after so many rounds (default: when the time is up)"
    )
    parser.add_argument("--seconds", type=int, default=3, help="length of a slice (default: %(default)s)")
    parser.add_argument(
        "--mode", choices=[*Mode.__members__], action="append", help="only this mode (default: both)"
    )
    parser.add_argument(
        "--only", action="append", metavar="NAME", help="only generators whose name contains this"
    )
    results.add_results_option(parser)
    chosen = parser.parse_args()
    require("nginx", "taskset")
    taking_part = [
        one
        for one in generators.present()
        if chosen.only is None or any(part in one.name for part in chosen.only)
    ]
    for program in generators.absent():
        results.progress(f"{program} is not installed: it is left out")
    with results.recorded("side_by_side", chosen.results) as figures, bed(chosen.seconds) as servers:
        figures |= {"slice_seconds": chosen.seconds}
        deadline = time.monotonic() + 60 * chosen.minutes
        modes = [Mode[name] for name in chosen.mode or Mode.__members__]
        Comparison(servers, taking_part, deadline, figures).run(modes, chosen.rounds)


if __name__ == "__main__":
    main()
