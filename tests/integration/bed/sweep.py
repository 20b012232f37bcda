"""Removes what beds left behind whose test run was killed: `python -m tests.integration.bed.sweep`.

A bed's processes die with the one that started it, by themselves; its namespaces, bridge, rules, cgroups and files do not.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

from tests.integration.bed.engine import remove_cgroups
from tests.integration.bed.network import PREFIX, held, namespaces, numbers_in_use, remove
from tests.integration.bed.shell import run
from tests.integration.bed.swarm import FOLDERS


def sweep() -> list[int]:
    """Remove every bed whose owner has ended, and that has no process any more; return their numbers."""
    removed = []
    for number in _numbers():
        hold = held(number)
        if hold is None:
            continue  # its owner is at it, perhaps without a process on it so far
        with hold:
            if not has_processes(number):
                remove_cgroups(f"{PREFIX}{number}-*")
                shutil.rmtree(FOLDERS / f"{PREFIX}{number}", ignore_errors=True)
                remove(number)
                removed.append(number)
    return removed


def _numbers() -> list[int]:
    folders = [re.fullmatch(rf"{PREFIX}(\d+)", path.name) for path in FOLDERS.iterdir()]
    return sorted({*numbers_in_use(), *(int(found[1]) for found in folders if found)})


def has_processes(number: int) -> bool:
    """Whether a process is on one of a bed's hosts."""
    return any(run("ip", "netns", "pids", namespace).strip() for namespace in namespaces(number))


if __name__ == "__main__":
    if os.geteuid() == 0 and Path("/run/netns").is_dir():
        for number in sweep():
            sys.stderr.write(f"removed what was left of test bed {number}\n")
