"""The servers of a measurement, on a core of their own: nginx, and a node's cAdvisor."""

from __future__ import annotations

import random
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.pinned import SERVER_CORE, environment, on_core

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

ROOT = Path(__file__).resolve().parents[1]
BODY = "hello, world\\n"
READY_SECONDS = 10.0
_PORTS = range(20_000, 32_000)
"""Below those that the system gives to outgoing connections."""
_NGINX = """worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/error.log; worker_rlimit_nofile 30000;
events {{ worker_connections 28000; multi_accept on; }}
http {{ access_log off; keepalive_requests 1000000000; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
server {{ listen {address}:{port} backlog=16384; location / {{ default_type text/plain; return 200 "{body}"; }} }} }}
"""


def free_port() -> int:
    """Return a port on which nothing listens."""
    for port in random.SystemRandom().sample(_PORTS, 100):
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
    raise SystemExit(f"100 ports tried in {_PORTS}, and none is free: end what takes them")


@contextmanager
def nginx(
    address: str = "127.0.0.1", *, on_host: Callable[..., Sequence[str]] = lambda *command: command
) -> Iterator[str]:
    """Run nginx with one worker and yield its URL. `on_host` makes its command one for another network host."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # started by root, nginx serves as somebody else
        port = free_port()
        conf = Path(folder) / "nginx.conf"
        conf.write_text(_NGINX.format(folder=folder, address=address, port=port, body=BODY))
        errors = Path(folder) / "error.log"
        command = on_host(*on_core(SERVER_CORE, "nginx", "-c", str(conf), "-e", str(errors)))
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as server:
            try:
                _wait_until_it_listens(address, port, server)
                yield f"http://{address}:{port}"
            finally:
                server.terminate()


def _wait_until_it_listens(address: str, port: int, server: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        with suppress(OSError), socket.create_connection((address, port), timeout=1):
            return
        time.sleep(0.02)
    server.terminate()
    raise SystemExit(f"nginx did not start: {server.communicate()[1].strip() or 'no word why'}")


@contextmanager
def python_server(module: str, *arguments: str) -> Iterator[str]:
    """Run one of our own servers, which prints its URL first, and yield that."""
    command = on_core(SERVER_CORE, sys.executable, "-m", module, *arguments)
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=environment(PYTHONPATH=str(ROOT))
    ) as server:
        try:
            assert server.stdout is not None  # noqa: S101 - for the type checker
            url = server.stdout.readline().strip()
            if not url:
                raise SystemExit(f"{module} did not start")
            yield url
        finally:
            server.terminate()
