"""A real server that speaks MongoDB's protocol (FerretDB on SQLite), to be started, killed, frozen and emptied."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tests.integration.bed import cache
from tests.integration.bed.frozen import freeze, thaw
from tests.integration.bed.prerequisites import lacking_go, skip_or_fail
from tests.integration.bed.shell import run
from tests.integration.ports import free_port

if TYPE_CHECKING:
    from types import TracebackType

SOURCES = Path(__file__).with_name("mongo")
START_SECONDS = 30.0
BUILD_SECONDS = 900.0


def mongo_program() -> Path:
    """Return the server's program, built on the first call (a minute and a half); it needs no library of the system's."""
    sources = b"".join(file.read_bytes() for file in sorted(SOURCES.iterdir()))
    return cache.built(f"mongo-server-{hashlib.sha256(sources).hexdigest()[:12]}", _build)


def _build(target: Path) -> None:
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly"}
    run("go", "build", "-trimpath", "-o", target, ".", cwd=SOURCES, env=environment, timeout=BUILD_SECONDS)


def skip_without_go() -> None:
    """Skip the test at hand, or fail it where everything is required, if the server cannot be built here."""
    lacking = lacking_go()
    if lacking:
        skip_or_fail(lacking)


class MongoServer:
    """A server on a loopback port of its own, which it keeps over restarts, with its data in a folder."""

    def __init__(self, state: Path, *, start: bool = True) -> None:
        self._program = mongo_program()
        self.state = state
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        state.mkdir(parents=True, exist_ok=True)
        if start:
            self.start()

    def uri(self, database: str = "swarm_ext") -> str:
        """Return the URI of one of its databases, which are made when they are first used."""
        return f"mongodb://127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with (self.state.parent / f"{self.state.name}.log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, f"127.0.0.1:{self.port}", self.state], stdout=log, stderr=log
            )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            assert self._process.poll() is None, "the server has ended; its log is beside its state"
            time.sleep(0.02)
        raise AssertionError(f"the server does not answer after {START_SECONDS} s")

    def terminate(self) -> None:
        """End it as an administrator does."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a crash does."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """Let it hang: connections stay, and nothing is answered."""
        assert self._process is not None
        freeze(self._process.pid)

    def thaw(self) -> None:
        """Let a frozen one go on."""
        assert self._process is not None
        thaw(self._process.pid)

    def wipe(self) -> None:
        """Lose all data. It must not be running."""
        assert self._process is None
        shutil.rmtree(self.state)
        self.state.mkdir()

    def close(self) -> None:
        """End it, if it runs."""
        if self._process is not None:
            self.thaw()
            self.terminate()

    def _end(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(20)
        self._process = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
