"""A master and workers that are started each by itself, as on many machines."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.integration.bed.frozen import freeze, thaw
from tests.integration.bench import LOCUSTFILES, LocustProcess
from tests.integration.ports import free_port

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.bench import SlowServer

POISSON = LOCUSTFILES / "poisson.py"

STRANGER = """
from locust import FastHttpUser, constant, task

class PoissonVisitor(FastHttpUser):
    wait_time = constant(0.1)

    @task
    def visit(self):
        self.client.get("/stranger")
"""
"""A worker's, without the plugin. Its user is called as that of POISSON, so that Locust would take it for that."""


class Cluster:
    """Processes of one test; `end` ends those that are left."""

    def __init__(self, folder: Path, locustfile: Path = POISSON) -> None:
        self.folder = folder
        self.port = str(free_port())
        self._locustfile = locustfile
        self._started: list[LocustProcess] = []

    def master(self, *options: str) -> LocustProcess:
        bind = ("--master", "--master-bind-host", "127.0.0.1", "--master-bind-port", self.port)
        return self._start(self._locustfile, "--headless", "--only-summary", *bind, *options)

    def worker(
        self, locustfile: Path | None = None, environment: dict[str, str] | None = None
    ) -> LocustProcess:
        master = ("--master-host", "127.0.0.1", "--master-port", self.port)
        return self._start(locustfile or self._locustfile, "--worker", *master, environment=environment)

    def worker_with(self, name: str, code: str) -> LocustProcess:
        """Start a worker whose Python runs `code` before anything else: a machine that is set up otherwise."""
        folder = self.folder / name
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(code)
        return self.worker(environment={"PYTHONPATH": str(folder)})

    def worker_with_clock(self, seconds_ahead: float) -> LocustProcess:
        """Start a worker on a machine, as it were, whose clocks are set wrong, or were started at another time."""
        return self.worker_with(
            f"clock{seconds_ahead:+g}",
            "import time\n"
            "right, monotonic = time.time, time.monotonic\n"
            f"time.time = lambda: right() + {seconds_ahead}\n"
            f"time.monotonic = lambda: monotonic() + {77 * seconds_ahead}\n",
        )

    def _start(
        self, locustfile: Path, *options: str, environment: dict[str, str] | None = None
    ) -> LocustProcess:
        self._started.append(LocustProcess(self.folder, locustfile, *options, environment=environment))
        return self._started[-1]

    def end(self) -> None:
        for locust in self._started:
            if locust.process.poll() is None:
                locust.kill()


def wait_for_arrivals(server: SlowServer, count: int) -> None:
    deadline = time.monotonic() + 60
    while len(server.arrivals()) < count:
        assert time.monotonic() < deadline, f"only {len(server.arrivals())} of {count} arrivals came"
        time.sleep(0.05)


def stand_still_until_lost(worker: LocustProcess, master: LocustProcess) -> None:
    """Stop a worker until its master takes it for lost, and let it go on."""
    freeze(worker.process.pid)
    try:
        master.wait_for("was lost")
    finally:
        thaw(worker.process.pid)
