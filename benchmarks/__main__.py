"""Measure everything and renew docs/performance.md: `make bench`, or `python -m benchmarks --minutes 25`.

Each program runs by itself and renews its own part of the results, so that any of them can be run again alone. One that
cannot run here is named, and the others go on. Ctrl-C ends the present one; what was found is put into the page,
which is renewed only from the results that are kept beside it.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from benchmarks import results
from benchmarks.pinned import require
from benchmarks.server import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

BROKEN_OFF = 130
WHOLE: dict[str, tuple[str, ...]] = {
    "side_by_side": (),
    "lateness": (),
    "observation_lag": (),
    "arrival_fidelity": (),
    "memory": (),
    "many_connections": (),
}
BRIEF: dict[str, tuple[str, ...]] = {
    "side_by_side": ("--seconds", "2"),
    "lateness": ("--rounds", "2", "--seconds", "2"),
    "observation_lag": ("--rounds", "2", "--seconds", "5"),
    "arrival_fidelity": ("1000", "--seconds", "2", "--rounds", "1"),
    "memory": ("--in-flight", "2000", "--seconds", "135", "--every", "4"),
    "many_connections": ("--seconds", "5"),
}
"""Every program once, shortened: to see whether all is in place, not to learn anything of the generators."""


def run(program: str, arguments: Sequence[str], path: Path) -> int:
    """Run one program to its end and return its exit code. Ctrl-C is left to it, which gets it too; SIGTERM is passed on."""
    results.progress(f"== {program}")
    command = [sys.executable, "-m", f"benchmarks.{program}", *arguments, "--results", str(path)]
    with subprocess.Popen(command, cwd=ROOT) as process:
        signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                continue


def main() -> None:
    """Run all programs, then renew the page; exit with 1 if one could not run, 130 if it was broken off."""
    parser = argparse.ArgumentParser(description="Measure everything and renew docs/performance.md.")
    parser.add_argument(
        "--minutes", type=float, default=12.0, help="for the comparison (default: %(default)g)"
    )
    parser.add_argument(
        "--brief", action="store_true", help="shorten everything else, to see whether it works"
    )
    results.add_results_option(parser)
    chosen = parser.parse_args()
    require("nginx", "taskset")
    failed = []
    for program, arguments in (BRIEF if chosen.brief else WHOLE).items():
        minutes = ("--minutes", str(chosen.minutes)) if program == "side_by_side" else ()
        code = run(program, (*arguments, *minutes), chosen.results)
        if code:
            failed.append(program)
        if code == BROKEN_OFF:
            break
    renewed = run("page", (), chosen.results) if chosen.results == results.RESULTS else 0
    if failed:
        results.progress(f"not measured to the end: {', '.join(failed)}")
        raise SystemExit(BROKEN_OFF if code == BROKEN_OFF else 1)
    raise SystemExit(renewed)


if __name__ == "__main__":
    main()
