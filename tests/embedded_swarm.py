"""What the tests of the embedded swarm share: patience, and a look at the processes of this machine."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from swarm_ext.model import ServiceState
    from swarm_ext.swarm.local_swarm import LocalSwarm

PATIENCE_SECONDS = 30.0


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Wait until `condition` holds; fail after half a minute."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"not within {PATIENCE_SECONDS:g} s: {what}"
        time.sleep(0.05)


def settled(swarm: LocalSwarm, replicas: int) -> ServiceState:
    """Wait until the service has `replicas` ready replicas, and no other that still runs."""

    def found() -> bool:
        state = swarm.service("web")
        alive = [task for task in state.tasks if task.state in {"ready", "starting", "running"}]
        return state.ready == replicas == len(alive)

    wait_until(found, f"{replicas} ready replicas")
    return swarm.service("web")


def whose_command_has(processes: Iterable[psutil.Process], words: str) -> list[psutil.Process]:
    """Those of `processes` whose command line has `words`; one that has ended has no command line any more."""
    found = []
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):  # a zombie, too
            if words in " ".join(process.cmdline()):
                found.append(process)
    return found


def replica_pid(owner: int, container_id: str) -> int:
    """Return the process id of a replica, among the descendants of the process `owner`."""
    found = whose_command_has(psutil.Process(owner).children(recursive=True), container_id[:12])
    assert found, f"no process of replica {container_id[:12]} below {owner}"
    return found[0].pid


def none_alive(pids: Iterable[int]) -> bool:
    """Whether none of the processes runs any more (one that only waits to be reaped does not run)."""
    for pid in pids:
        try:
            if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                return False
        except psutil.NoSuchProcess:
            continue
    return True
