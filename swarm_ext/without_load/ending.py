"""How a command without an end ends: Ctrl-C or SIGTERM asks for it, once more insists."""

from __future__ import annotations

import os
import signal
import sys

import gevent
from gevent.event import Event

INSISTED_EXIT_CODE = 130


class Ending:
    """Is `asked` for by SIGINT or SIGTERM; whatever has to be put away is put away then, unless there is a second one.

    To be made in the main thread of a cooperative process.
    """

    def __init__(self) -> None:
        self.asked = Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            gevent.signal_handler(number, self._signalled)

    def wait(self, timeout_seconds: float | None = None) -> bool:
        """Wait until the end is asked for, at most so long; return whether it is."""
        return bool(self.asked.wait(timeout_seconds))

    def _signalled(self) -> None:
        if self.asked.is_set():
            sys.stderr.write("swarm-ext: left at once; what was not stored yet is lost\n")
            os._exit(INSISTED_EXIT_CODE)
        self.asked.set()
