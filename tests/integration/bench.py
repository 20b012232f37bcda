"""Runs real Locust processes with our locustfiles, against real servers, for the integration tests."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import psutil

from swarm_ext.model import LoadSample
from swarm_ext.store import open_store
from tests.integration.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from swarm_ext.model import Record, Run, Totals
    from tests.integration.bed.network import Host

ROOT = Path(__file__).resolve().parents[2]
LOCUSTFILES = ROOT / "locustfiles"
PATIENCE_SECONDS = 180
ENDING_SECONDS = 30
_WITH_US = ("setpriv", "--pdeathsig", "KILL") if shutil.which("setpriv") else ()
"""Ends a process when the tests' own is killed, where the system has a way to."""


class Request(NamedTuple):
    """A request as the server saw it: when, in monotonic seconds, from which port, and for which path."""

    at: float
    port: int
    path: str


@dataclass
class SlowServer:
    """A server that takes its time; `arrivals` are the monotonic instants at which requests came."""

    port: int
    log: Path
    pid: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def requests(self) -> list[Request]:
        lines = self.log.read_text().splitlines()
        fields = (line.split(" ", 2) for line in lines if line != "connection")
        return [Request(float(at), int(port), path) for at, port, path in fields]

    def arrivals(self) -> list[float]:
        return [request.at for request in self.requests()]

    def connections(self) -> int:
        return self.log.read_text().splitlines().count("connection")


@contextmanager
def slow_server(folder: Path, delay_seconds: float | str) -> Iterator[SlowServer]:
    """Run a server that takes so many seconds for a request, or times drawn from a law: see slow_server.py."""
    log = folder / f"arrivals-{delay_seconds}-{time.monotonic_ns()}.log"
    command = [sys.executable, str(Path(__file__).with_name("slow_server.py")), str(delay_seconds), str(log)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield SlowServer(int(process.stdout.readline()), log, process.pid)
        finally:
            process.terminate()


@dataclass
class Ended:
    """What a Locust process left: exit code, everything it printed, and its store."""

    code: int
    output: str
    store: Path
    table_requests: int | None
    children_left: list[str] = field(default_factory=list)

    @property
    def last_line(self) -> str:
        return self.output.strip().splitlines()[-1]

    def runs(self) -> list[Run]:
        store = open_store(f"sqlite:///{self.store}", must_exist=True)
        try:
            return store.runs()
        finally:
            store.close()

    def run(self) -> Run:
        """Return the only run."""
        (run,) = self.runs()
        return run

    def totals(self) -> Totals:
        run = self.run()
        assert run.totals is not None
        return run.totals

    def read(self, kind: type[Record]) -> list[Record]:
        store = open_store(f"sqlite:///{self.store}", must_exist=True)
        try:
            return [record for run in store.runs() for record in store.read(run.id, kind)]
        finally:
            store.close()

    def load(self) -> list[LoadSample]:
        return [sample for sample in self.read(LoadSample) if isinstance(sample, LoadSample)]


class LocustProcess:
    """A running Locust, on a host of a test bed if one is given.

    Its own process group, so that a signal can go to all of it, as Ctrl-C in a terminal does.
    """

    def __init__(
        self,
        folder: Path,
        locustfile: Path,
        *options: str,
        environment: dict[str, str] | None = None,
        host: Host | None = None,
    ) -> None:
        self.store = folder / "runs.db"
        self._log = folder / f"locust-{time.monotonic_ns()}.log"
        command = [sys.executable, "-m", "locust", "-f", str(locustfile)]
        if "--processes" in options:
            port = str(free_port())  # so that several test runs on one machine do not meet
            command += ["--master-bind-port", port, "--master-port", port]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [*_WITH_US, *(host.command(*command, *options) if host else [*command, *options])],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={
                    **os.environ,
                    "PYTHONUNBUFFERED": "1",
                    "SWARM_EXT_STORE": f"sqlite:///{self.store}",
                    **(environment or {}),
                },
            )

    @property
    def output(self) -> str:
        return self._log.read_text(errors="replace")

    def wait_for(self, pattern: str, seconds: float = PATIENCE_SECONDS) -> re.Match[str]:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = re.search(pattern, self.output)
            if found:
                return found
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise AssertionError(f"no {pattern!r} in the output:\n{self.output}")

    def interrupt(self) -> None:
        """Do what Ctrl-C in a terminal does."""
        os.killpg(self.process.pid, signal.SIGINT)

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def descendants(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def end(self, seconds: float = PATIENCE_SECONDS) -> Ended:
        """Wait for its end; whatever it leaves running is ended, and told."""
        family = self.descendants() if self.process.poll() is None else []
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"still running after {seconds} s:\n{self.output}") from None
        _, left = psutil.wait_procs(family, timeout=ENDING_SECONDS)
        names = [f"{process!r}" for process in left]
        _kill(left)
        counts = re.findall(r"^\s+Aggregated\s+(\d+)\s", self.output, re.MULTILINE)
        return Ended(code, self.output, self.store, int(counts[0]) if counts else None, names)

    def kill(self) -> None:
        _kill([*self.descendants(), psutil.Process(self.process.pid)])
        self.process.wait(ENDING_SECONDS)


def _kill(processes: Iterable[psutil.Process]) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):  # it has ended because of the one before it
            process.kill()


def run_locust(
    folder: Path, locustfile: Path, *options: str, environment: dict[str, str] | None = None
) -> Ended:
    """Run a headless Locust to its end."""
    return LocustProcess(
        folder, locustfile, "--headless", "--only-summary", *options, environment=environment
    ).end()


def assert_refused_before_any_load(ended: Ended, words: str) -> None:
    """Its last line, without a traceback, has these words, and it began no run."""
    assert ended.code == 2, ended.output
    assert words in ended.last_line
    assert "Traceback" not in ended.output
    assert not ended.store.exists() or ended.runs() == []
