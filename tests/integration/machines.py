"""Locust on machines of its own: master, workers, and the service under load, each on a network host."""

from __future__ import annotations

import os
import shutil
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.integration.bed.network import Network
from tests.integration.bed.prerequisites import skip_or_fail
from tests.integration.bench import LOCUSTFILES, LocustProcess

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.bed.network import Host

POISSON = LOCUSTFILES / "poisson.py"
PORT = 8000
PATIENCE_SECONDS = 60.0

_TOOLS = {
    "ip": "iproute2",
    "tc": "iproute2",
    "iptables": "iptables",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
}


@contextmanager
def hosts_network() -> Iterator[Network]:
    """A network, to add hosts to; nothing of it is left."""
    lacking = _missing()
    if lacking:
        skip_or_fail(lacking)
    network = Network()
    try:
        yield network
    finally:
        network.down()


def _missing() -> str:
    if os.geteuid() != 0:
        return "network namespaces need root: run the tests as root"
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    lacking = {package for tool, package in _TOOLS.items() if shutil.which(tool, path=path) is None}
    return f"apt-get install {' '.join(sorted(lacking))}" if lacking else ""


class Seen(NamedTuple):
    """A request as the server saw it: the monotonic instant, and the address of the host that it came from."""

    instant: float
    host: str
    path: str


@dataclass(frozen=True)
class Service:
    """The service under load, on a host of its own."""

    host: Host
    log: Path

    @property
    def url(self) -> str:
        return f"http://{self.host.address}:{PORT}"

    def seen(self) -> list[Seen]:
        """Return every request so far, in the order in which they came."""
        words = (line.split() for line in self.log.read_text().splitlines())
        return [Seen(float(instant), host, path) for instant, host, path in words]

    def of(self, host: Host) -> list[float]:
        """Return when the requests of one host came."""
        return [seen.instant for seen in self.seen() if seen.host == host.address]

    def wait_for(self, count: int, host: Host | None = None) -> None:
        """Wait until so many requests have come, from one host or from all."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while len(self.seen() if host is None else self.of(host)) < count:
            assert time.monotonic() < deadline, f"only {len(self.seen())} requests came"
            time.sleep(0.05)

    def wait_until_quiet(self, host: Host, seconds: float) -> None:
        """Wait until no request of a host has come for so long."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() - self.of(host)[-1] < seconds:
            assert time.monotonic() < deadline, "load is still offered"
            time.sleep(0.1)


@contextmanager
def service(host: Host, folder: Path, delay_seconds: float = 0.02) -> Iterator[Service]:
    log = folder / f"seen-{host.namespace}.log"
    program = str(Path(__file__).with_name("noting_server.py"))
    command = (sys.executable, program, host.address, str(PORT), str(delay_seconds), str(log))
    with host.start(*command, stdout=-1, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield Service(host, log)
        finally:
            process.terminate()


class Machines:
    """The Locust processes of one run, each on a host. `end` ends those that are left."""

    def __init__(self, folder: Path, master_host: Host, locustfile: Path = POISSON) -> None:
        self._folder = folder
        self._master_host = master_host
        self._locustfile = locustfile
        self._started: list[LocustProcess] = []

    def master(self, *options: str) -> LocustProcess:
        words = ("--headless", "--only-summary", "--master", *options)
        return self._start(self._master_host, self._locustfile, *words)

    def worker(
        self, host: Host, locustfile: Path | None = None, environment: dict[str, str] | None = None
    ) -> LocustProcess:
        words = ("--worker", "--master-host", self._master_host.address)
        return self._start(host, locustfile or self._locustfile, *words, environment=environment)

    def worker_with(self, host: Host, name: str, code: str) -> LocustProcess:
        """Start a worker whose Python runs `code` before anything else: a machine that is set up otherwise."""
        folder = self._folder / name
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(code)
        return self.worker(host, environment={"PYTHONPATH": str(folder)})

    def _start(
        self, host: Host, locustfile: Path, *words: str, environment: dict[str, str] | None = None
    ) -> LocustProcess:
        self._started.append(
            LocustProcess(self._folder, locustfile, *words, environment=environment, host=host)
        )
        return self._started[-1]

    def end(self) -> None:
        for locust in self._started:
            if locust.process.poll() is None:
                locust.kill()
