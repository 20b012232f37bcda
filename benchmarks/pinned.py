"""Programs on a core of their own: the generator has one, the server the other."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SERVER_CORE = 0
GENERATOR_CORE = 1
START_AND_END_SECONDS = 60.0
"""How long a program may take beside what it was asked to do."""


class Ended(NamedTuple):
    """What a program printed, and the CPU time [s] that it took."""

    output: str
    cpu_seconds: float


def on_core(core: int, *command: str) -> list[str]:
    """Return the command that runs another one on one core."""
    return ["taskset", "-c", str(core), *command]


def environment(**more: str) -> dict[str, str]:
    """Return this process's environment without what would set options of Locust or of ours."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("LOCUST_", "SWARM_EXT_"))
    }
    return {**kept, "GOMAXPROCS": "1", **more}


def run_generator(folder: Path, *command: str, seconds: float, **variables: str) -> Ended:
    """Run a generator in a folder to its end, on its core, for about so many seconds; it ends with this process.

    Its exit code says nothing: some generators use it for failed requests. Exit if it does not end.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    limit = seconds + START_AND_END_SECONDS
    try:
        done = subprocess.run(
            on_core(GENERATOR_CORE, *command),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            env=environment(**variables),
            timeout=limit,
        )
    except subprocess.TimeoutExpired:
        raise SystemExit(f"{command[0]} did not end within {limit:.0f} s") from None
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Ended(done.stdout, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


@contextmanager
def started(folder: Path, *command: str, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start a generator in a folder on its core, with what it prints in `output`; it is ended with the block."""
    with (
        (folder / "output").open("wb") as output,
        subprocess.Popen(
            on_core(GENERATOR_CORE, *command),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment(**variables),
        ) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


def keep_off_the_generator() -> None:
    """Let this process run on the server's core only: what measures is not to take from what is measured."""
    os.sched_setaffinity(0, {SERVER_CORE})


def require(*programs: str) -> None:
    """Exit with one line if a program is missing, or if there is no second core."""
    packages = {"nginx": "nginx-light", "taskset": "util-linux", "nsenter": "util-linux", "ip": "iproute2"}
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        names = " ".join(sorted({packages.get(program, program) for program in missing}))
        raise SystemExit(f"{', '.join(missing)} missing: apt-get install {names}")
    cores = os.sched_getaffinity(0)
    if not {SERVER_CORE, GENERATOR_CORE} <= cores:
        raise SystemExit(
            f"the cores of this machine that may be used are {sorted(cores)}; needed are {SERVER_CORE} for the server and "
            f"{GENERATOR_CORE} for the generator: use a machine with two cores or more"
        )
