"""Makes a process cooperate, as Locust makes its own: blocking calls let other greenlets run."""

from __future__ import annotations

import logging

from gevent import monkey


def cooperate() -> None:
    """Let gevent stand in for whatever blocks. To be called before anything imports `ssl`, such as an HTTP client."""
    monkey.patch_all()


def log_to_stderr() -> None:
    """Print what is logged, a line each, from INFO on."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)-7s %(message)s")
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # each failure is told by whoever asked
