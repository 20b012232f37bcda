"""One Docker engine, on a host of its own."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from tests.integration.bed.shell import BedError, run

if TYPE_CHECKING:
    from tests.integration.bed.network import Host

_READY_SECONDS = 60.0
_END_SECONDS = 40.0

# A /run and a /var/lib/docker of its own make the engine look, to itself and to cAdvisor, like any machine's only one.
# Nobody answers there for the names of registries: they are refused at once, where they would be waited for else.
_FIRST_PROCESS = """
set -e
hostname "$1"
mount -t tmpfs tmpfs /run
mkdir -p /run/docker
mount --bind "$2/data" /var/lib/docker
echo nameserver 127.0.0.1 > "$2/resolv.conf"
mount --bind "$2/resolv.conf" /etc/resolv.conf
exec dockerd -H unix:///run/docker.sock -H "unix://$2/docker.sock" --pidfile /run/docker.pid --cgroup-parent "/$3"
"""


class Engine:
    """A Docker engine. `name` is its host name, `folder` where its data is; `socket` reaches it from this machine."""

    def __init__(self, host: Host, name: str, folder: Path) -> None:
        self.host = host
        self.name = name
        self.folder = folder
        self.cgroup = host.namespace
        """The cgroup, in every hierarchy, that this engine's containers are below."""
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def socket(self) -> Path:
        """The engine's socket in this machine's file system."""
        return self.folder / "docker.sock"

    @property
    def docker_host(self) -> str:
        """What to set DOCKER_HOST to."""
        return f"unix://{self.socket}"

    def start(self) -> None:
        """Start the engine, or start it again on the data that it left; `wait` tells when it answers."""
        (self.folder / "data").mkdir(parents=True, exist_ok=True)
        Path("/var/lib/docker").mkdir(parents=True, exist_ok=True)
        own_namespaces = ("unshare", "--mount", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc")
        script = ("sh", "-c", _FIRST_PROCESS, "sh", self.name, str(self.folder), self.cgroup)
        with (self.folder / "log").open("ab") as log:
            self._process = self.host.start(
                *own_namespaces,
                *script,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait(self) -> None:
        """Wait until the engine answers; raise BedError, with the end of its log, when it does not."""
        deadline = time.monotonic() + _READY_SECONDS
        while time.monotonic() < deadline and self._process is not None and self._process.poll() is None:
            with contextlib.suppress(BedError):
                self.docker("version", timeout=10)
                return
            time.sleep(0.2)
        raise BedError(f"engine {self.name} did not start: {(self.folder / 'log').read_text()[-2000:]}")

    def docker(self, *words: str, timeout: float = 120.0, stdin: bytes | None = None) -> str:
        """Run the `docker` client against this engine."""
        return run("docker", "-H", self.docker_host, *words, timeout=timeout, stdin=stdin)

    def kill(self) -> None:
        """End the engine and all that runs on it at once, as when the plug is pulled."""
        if self._process is None:
            return
        first = psutil.Process(self._process.pid).children() if self._process.poll() is None else []
        self._process.kill()
        self._process.wait()
        self._process = None
        for process in first:  # the first process of a namespace is the last to end
            _wait_for_end(process)

    def stop(self) -> None:
        """Ask the engine to end, and end it if it does not. Idempotent."""
        if self._process is None:
            return
        with contextlib.suppress(psutil.NoSuchProcess):
            for first in psutil.Process(self._process.pid).children():
                first.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_SECONDS)
        self.kill()

    def container_cgroup(self, controller: str, container_id: str) -> Path:
        """Return a container's folder in the hierarchy of a controller (cgroup v1), or in the only one (v2)."""
        top = Path("/sys/fs/cgroup")
        return (top / controller if (top / controller).is_dir() else top) / self.cgroup / container_id

    def remove(self) -> None:
        """Remove what the engine left on the disk and among the cgroups; it must have ended."""
        remove_cgroups(self.cgroup)
        shutil.rmtree(self.folder, ignore_errors=True)


def _wait_for_end(process: psutil.Process) -> None:
    deadline = time.monotonic() + _END_SECONDS
    with contextlib.suppress(psutil.NoSuchProcess):
        while process.status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline:
            time.sleep(0.05)


def remove_cgroups(name: str) -> None:
    """Remove the cgroups called `name` (a glob pattern) with all below them, in every hierarchy; no process may be in them."""
    top = Path("/sys/fs/cgroup")
    for root in (*top.glob(f"*/{name}"), *top.glob(name)):
        folders = [root, *(path for path in root.rglob("*") if path.is_dir())]
        for folder in sorted(folders, key=lambda path: len(path.parts), reverse=True):
            with contextlib.suppress(OSError):
                folder.rmdir()
