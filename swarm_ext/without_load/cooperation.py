"""Makes a process cooperate, as Locust makes its own: blocking calls let other greenlets run."""

from __future__ import annotations

import logging
import sys

from gevent import monkey

CLEAR_LINE = "\r\x1b[K"
"""Makes a terminal forget what its current line has: progress is told in place there."""


def cooperate() -> None:
    """Let gevent stand in for whatever blocks. To be called before anything imports `ssl`, such as an HTTP client."""
    monkey.patch_all()


def log_to_stderr() -> None:
    """Print what is logged, a line each, from INFO on."""
    line = "%(asctime)s %(levelname)-7s %(message)s"
    logging.basicConfig(level=logging.INFO, format=f"{CLEAR_LINE}{line}" if sys.stderr.isatty() else line)
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # each failure is told by whoever asked
