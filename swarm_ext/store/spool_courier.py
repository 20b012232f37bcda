"""The thread that ships while a run goes on: it tries again for ever, tells of changes only, and can be left behind.

It is a native thread with connections of its own. What it moves are bytes that were made before, in small batches with a
pause after each, because all threads share the interpreter's lock. Measured by `benchmarks.shipping_lag` on two busy
cores: beside a backlog that is shipped, a greenlet that is due every millisecond is late by 11 ms (p99) with batches of
100 records, as it is without any store there (4 to 30 ms), but by 130 to 270 ms with batches of 2,000.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

import gevent
from gevent import monkey
from gevent.threadpool import ThreadPool

from swarm_ext.errors import UserError
from swarm_ext.store import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from swarm_ext.store.spool_shipper import Shipper

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 0.005
"""After each batch."""

IDLE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 5.0
STUCK_SECONDS = 3.0
"""How long the end waits for the thread; a server that hangs is left behind, and the process ends without it."""

_GLANCE_SECONDS = 0.05


class Courier:
    """Runs a shipper, which `make` makes in the thread that it lives in, until `close`.

    `failing`: why it cannot ship now, empty when it can; it begins with what is known already. `failures` counts tries
    that failed, `last_failure` has the last one's words.
    """

    def __init__(
        self, make: Callable[[], tuple[Shipper, Callable[[], None]]], *, shown: str, failing: str
    ) -> None:
        self._make = make
        self._shown = shown
        self.failing = failing
        self.failures = 1 if failing else 0
        self.last_failure = failing
        self.shipper: Shipper | None = None
        self._failing_since = time.monotonic()
        self._log = _logging()
        self._hurry = False
        self._stopping = False
        self._pool = ThreadPool(1)
        self._pool.spawn(self._work)

    def hurry(self) -> None:
        """Do not wait for the next try."""
        self._hurry = True

    def close(self) -> None:
        """End the thread, or leave it behind if it hangs. Idempotent."""
        self._stopping = True
        with gevent.Timeout(STUCK_SECONDS, exception=False):
            self._pool.kill()

    def _work(self) -> None:
        let_go: Callable[[], None] | None = None
        pause = IDLE_SECONDS
        while not self._stopping:
            again = False
            try:
                if self.shipper is None:
                    self.shipper, let_go = self._make()
                again = self.shipper.step()
            except (StoreError, UserError) as error:
                self._fail(str(error))
            except Exception as error:  # noqa: BLE001  # whatever it is, the load goes on
                self._fail(f"shipping to {self._shown} failed unexpectedly: {type(error).__name__}: {error}")
            else:
                self._succeed()
            pause = IDLE_SECONDS if not self.failing else min(2 * pause, LONGEST_PAUSE_SECONDS)
            self._wait(PAUSE_SECONDS if again else pause)
        if let_go is not None:
            let_go()

    def _wait(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not self._stopping and not self._hurry and (left := deadline - time.monotonic()) > 0:
            time.sleep(min(left, _GLANCE_SECONDS))
        self._hurry = False

    def _fail(self, reason: str) -> None:
        self.failures += 1
        self.last_failure = reason
        if not self.failing and not self._stopping:
            self._failing_since = time.monotonic()
            self._log(logging.WARNING, f"{reason}; what is to be stored waits in the spool")
        self.failing = reason

    def _succeed(self) -> None:
        if self.failing and not self._stopping:
            seconds = time.monotonic() - self._failing_since
            self._log(
                logging.WARNING,
                f"{self._shown} can be written again, after {seconds:.0f} s; the spool is shipped",
            )
        self.failing = ""


def _logging() -> Callable[[int, str], None]:
    """Return what logs a line from a native thread: where gevent has patched locks, the main thread's loop must do it."""
    if not monkey.is_module_patched("threading"):
        return lambda level, text: logger.log(level, "%s", text)
    loop = gevent.get_hub().loop

    def log(level: int, text: str) -> None:
        loop.run_callback_threadsafe(gevent.spawn, logger.log, level, "%s", text)

    return log
