"""Runs the `swarm-ext` command as a process, as a person or a service manager does, for the integration tests."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import signal
    from collections.abc import Iterator, Mapping
    from pathlib import Path

PATIENCE_SECONDS = 90.0


@dataclass(frozen=True)
class EndedCommand:
    """What a command left: its exit code, and what it printed to stdout and stderr."""

    code: int
    output: str
    errors: str


def run_command(
    folder: Path, *words: str, environment: Mapping[str, str], seconds: float = PATIENCE_SECONDS
) -> EndedCommand:
    """Run `swarm-ext` with these words to its end."""
    done = subprocess.run(
        [sys.executable, "-m", "swarm_ext.cli", *words],
        cwd=folder,
        env=_environment(environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    return EndedCommand(done.returncode, done.stdout, done.stderr)


class RunningCommand:
    """A `swarm-ext` that goes on until it is ended."""

    def __init__(self, folder: Path, *words: str, environment: Mapping[str, str]) -> None:
        self._log = folder / f"{words[0]}-{time.monotonic_ns()}.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "swarm_ext.cli", *words],
                cwd=folder,
                env=_environment(environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return self._log.read_text(errors="replace")

    def wait_for(self, pattern: str, *, after: int = 0, seconds: float = PATIENCE_SECONDS) -> re.Match[str]:
        """Wait until the output has `pattern` behind its first `after` characters."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = re.compile(pattern).search(self.output, after)
            if found:
                return found
            assert self.process.poll() is None, f"it has ended:\n{self.output}"
            time.sleep(0.1)
        raise AssertionError(f"no {pattern!r} in the output:\n{self.output}")

    def end(self, number: signal.Signals, seconds: float = PATIENCE_SECONDS) -> int:
        """Send a signal, and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(seconds)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@contextmanager
def running_command(folder: Path, *words: str, environment: Mapping[str, str]) -> Iterator[RunningCommand]:
    command = RunningCommand(folder, *words, environment=environment)
    try:
        yield command
    finally:
        command.close()


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("SWARM_EXT")}
    return {**ours, "PYTHONUNBUFFERED": "1", **more}
