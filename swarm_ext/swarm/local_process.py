"""Starts the embedded swarm's node process and ends it: what LocalSwarm holds on to."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from swarm_ext.swarm import SwarmError
from swarm_ext.swarm.local_node import CLOSE_GRACE_SECONDS, NodeConfig
from swarm_ext.swarm.local_plan import exit_error

if TYPE_CHECKING:
    from collections.abc import Sequence

_END_SECONDS = CLOSE_GRACE_SECONDS + 5.0
_REAP_SECONDS = 0.5  # a process that has just ended drops its connections before it can be reaped
_LAST_WORDS_BYTES = 2_000


class NodeProcess:
    """A node process, in a session of its own, so that a terminal's Ctrl-C is not its business.

    It inherits the descriptors `inherit`, ends when this process does, and must be ended by `close`.
    """

    def __init__(self, config: NodeConfig, inherit: Sequence[int]) -> None:
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115  closed by close()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "swarm_ext.swarm.local_node"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=self._stderr,
            pass_fds=inherit,
            env=_environment(),
            start_new_session=True,
        )
        assert self._process.stdin is not None  # noqa: S101  for the type checker: it is a pipe
        self._lifeline = self._process.stdin
        with contextlib.suppress(BrokenPipeError):  # it has ended at once: the first call to it says why
            self._lifeline.write(msgspec.json.encode(config) + b"\n")
            self._lifeline.flush()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def close(self) -> None:
        """End it, which ends its replicas, and wait until it has ended. Idempotent."""
        with contextlib.suppress(BrokenPipeError):
            self._lifeline.close()
        self._process.terminate()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._stderr.close()

    def silence(self, symptom: str) -> SwarmError:
        """Return the error that says in one line why it does not answer."""
        try:
            code = self._process.wait(_REAP_SECONDS)
        except subprocess.TimeoutExpired:
            return SwarmError(f"the embedded swarm's node process {self.pid} does not answer ({symptom})")
        how = exit_error(code) or "exit code 0"
        return SwarmError(
            f"the embedded swarm's node process has ended ({how}); start the run again{self.last_words()}"
        )

    def last_words(self) -> str:
        """Return the end of what it and its replicas wrote to standard error, in one line; empty for nothing."""
        if self._stderr.closed:
            return ""
        descriptor = self._stderr.fileno()
        size = os.fstat(descriptor).st_size
        written = os.pread(descriptor, _LAST_WORDS_BYTES, max(0, size - _LAST_WORDS_BYTES))
        text = " | ".join(
            line.strip() for line in written.decode(errors="replace").splitlines() if line.strip()
        )
        return f"; its last words: {text}" if text else ""


def _environment() -> dict[str, str]:
    """Return an environment in which our own package can be imported, also where it is not installed."""
    root = str(Path(__file__).parents[2])
    if root in sysconfig.get_paths().values():
        return dict(os.environ)
    inherited = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": f"{inherited}{os.pathsep}{root}" if inherited else root}
