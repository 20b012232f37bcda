"""One replica of the embedded swarm: a real process that runs the /primecheck application.

Its standard input is its lifeline: it ends when the process that holds the other end does, however that ended. Its
standard output is a line of JSON a second: whether it is ready, and the counters that only itself can know.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
from datetime import UTC, datetime

import msgspec

_REPORT_BYTES = 65_536


class ServiceSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What every replica of a service is given. `cpu_limit_cores` None: no limit; `number`: what a check tests."""

    name: str
    cpu_limit_cores: float | None
    concurrency: int
    startup_seconds: float
    number: int


class Report(msgspec.Struct, frozen=True):
    """What a replica says of itself, counted since it began; `throttled_ns` is wall-clock time, in ns."""

    ready: bool = False
    requests: int = 0
    rx_bytes: int = 0
    tx_bytes: int = 0
    periods: int = 0
    throttled_periods: int = 0
    throttled_ns: int = 0


_decode_report = msgspec.json.Decoder(Report).decode


class Replica:
    """A started replica, which shares the listening socket `listen_fd` with its siblings; OSError if it cannot start.

    `report` is the newest that `refresh` found.
    """

    def __init__(self, spec: ServiceSpec, listen_fd: int) -> None:
        self.container_id = secrets.token_hex(32)
        self.created = datetime.now(UTC)
        self.report = Report()
        self._unread = b""
        self._process = subprocess.Popen(
            _command(spec, listen_fd, self.container_id[:12]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[listen_fd],
        )
        assert self._process.stdout is not None  # noqa: S101  for the type checker: it is a pipe
        self._reports = self._process.stdout.fileno()
        os.set_blocking(self._reports, False)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def refresh(self) -> None:
        """Take in the reports that have arrived."""
        try:
            self._unread += os.read(self._reports, _REPORT_BYTES)
        except BlockingIOError:
            return
        *lines, self._unread = self._unread.split(b"\n")
        if lines:
            self.report = _decode_report(lines[-1])

    def exit_code(self) -> int | None:
        """Return its exit code once it has ended (negative: the signal that ended it), else None."""
        return self._process.poll()

    def stop(self) -> None:
        """Ask it to finish its requests in progress and end."""
        self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it now."""
        self._process.kill()

    def close(self) -> None:
        """Reap it once it has ended, and close its pipes."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait()


def _command(spec: ServiceSpec, listen_fd: int, name: str) -> list[str]:
    options = {
        "--listen-fd": listen_fd,
        "--replica": name,
        "--number": spec.number,
        "--concurrency": spec.concurrency,
        "--startup-seconds": spec.startup_seconds,
        "--cpu-limit": spec.cpu_limit_cores,
    }
    given = [str(part) for pair in options.items() if pair[1] is not None for part in pair]
    return [sys.executable, "-P", "-m", "swarm_ext.primecheck", "--supervised", *given]
