"""Ctrl-C and SIGTERM. Without this a KeyboardInterrupt lands in whichever greenlet runs, often in an arrival."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import TYPE_CHECKING, Protocol

import gevent

from swarm_ext.settings import options_of

if TYPE_CHECKING:
    from types import TracebackType

    from locust.env import Environment

_PR_SET_PDEATHSIG = 1  # <sys/prctl.h>

WORKER_PATIENCE_SECONDS = 30.0
"""How long a worker that shares its master's terminal waits, after Ctrl-C, for the master to end it."""


class Interruptible(Protocol):
    """What a signal ends."""

    is_over: bool
    """Whether it has ended, and only the process is left to end."""

    def interrupt(self) -> None:
        """Note the signal: what need not be waited for is not waited for."""
        ...

    def close(self) -> None:
        """Let go of everything at once."""
        ...


def handle_on_main(environment: Environment, bench: Interruptible) -> None:
    """Let SIGINT and SIGTERM interrupt the main greenlet, and nothing else. To be called from the main greenlet.

    After the first signal the process is ending; the third ends it at once.
    """
    main = gevent.getcurrent()
    seen = 0

    def interrupt(*, raise_in_main: bool) -> None:
        nonlocal seen
        if bench.is_over:
            return  # the process is about to exit with its run's exit code
        seen += 1
        bench.interrupt()
        if seen == 1 and raise_in_main:
            gevent.kill(main, KeyboardInterrupt)
        elif seen == 2:
            sys.stderr.write("locust: ending the run; once more to leave at once\n")
        elif seen > 2:
            bench.close()
            os._exit(130)

    def terminated() -> None:
        # Locust handles SIGTERM itself, but not while it waits for a load shape or for its first workers
        waits = environment.shape_class is not None or not _users_were_started(environment)
        interrupt(raise_in_main=waits)

    gevent.signal_handler(signal.SIGINT, lambda: interrupt(raise_in_main=True))
    gevent.signal_handler(signal.SIGTERM, terminated)


def _users_were_started(environment: Environment) -> bool:
    return environment.runner is not None and environment.runner.target_user_count > 0


def say_interrupted_in_one_line() -> None:
    """Let a Ctrl-C before or after Locust's own care for it end the process without a traceback."""
    plain = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.stderr.write("locust: interrupted\n")
        else:
            plain(kind, error, trace)

    sys.excepthook = hook


def handle_on_worker(environment: Environment) -> None:
    """Let a worker that --processes forked outlive Ctrl-C until its master has had its last figures, and no longer."""
    if not options_of(environment).processes:
        main = gevent.getcurrent()
        gevent.signal_handler(signal.SIGINT, gevent.kill, main, KeyboardInterrupt)
        return

    _end_with_parent()

    def quit_later() -> None:
        gevent.sleep(WORKER_PATIENCE_SECONDS + float(environment.stop_timeout or 0.0))
        if environment.runner is not None:
            environment.runner.quit()

    gevent.signal_handler(signal.SIGINT, lambda: gevent.spawn(quit_later))


def _end_with_parent() -> None:
    """Have the kernel send SIGTERM when the master is gone, however it ended. Elsewhere Locust notices within a minute."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
