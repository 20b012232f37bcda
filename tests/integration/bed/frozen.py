"""Lets a process stand still, as on a machine that hangs: what it has open stays, and nothing is answered."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

_SECONDS = 10.0


def freeze(pid: int) -> None:
    """Stop a process, and return when the last of its threads has stopped; raise AssertionError if that takes too long.

    The signal alone is no more than sent when the call for it returns: threads on other cores still answer for a while.
    """
    os.kill(pid, signal.SIGSTOP)
    deadline = time.monotonic() + _SECONDS
    while not _stands_still(pid):
        assert time.monotonic() < deadline, f"process {pid} has not stopped within {_SECONDS:g} s"
        time.sleep(0.005)


def thaw(pid: int) -> None:
    """Let a frozen process go on."""
    os.kill(pid, signal.SIGCONT)


def _stands_still(pid: int) -> bool:
    try:
        states = {_state(thread) for thread in Path(f"/proc/{pid}/task").iterdir()}
    except FileNotFoundError:  # a thread has just ended
        return False
    return states == {"T"}


def _state(thread: Path) -> str:
    return (thread / "stat").read_text().rpartition(")")[2].split()[0]
