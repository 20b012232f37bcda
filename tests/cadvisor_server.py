"""A scriptable HTTP server that answers as cAdvisor does, or as whatever stands where a cAdvisor should."""

from __future__ import annotations

import json
import math
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from types import TracebackType

DOCKER = "/api/v1.3/docker/"
ROOT = "/api/v1.3/containers/"
MACHINE = "/api/v1.3/machine"


@dataclass
class Answer:
    """What to send: after `delay_seconds`, `body` in `pieces`; `cut` closes the connection before it is complete.

    `raw` is sent in place of the headers, and the connection closed after the body.
    """

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay_seconds: float = 0.0
    pause_between_pieces_seconds: float = 0.0
    pieces: int = 1
    cut: bool = False
    raw: bytes | None = None


def as_json(value: Any) -> Answer:
    return Answer(json.dumps(value).encode(), headers={"Content-Type": "application/json"})


Respond = Callable[[str, str, dict[str, Any]], Answer]
"""Method, path and decoded body in; the answer out."""


class CAdvisorServer:
    """Serves `respond` on 127.0.0.1 until closed; counts connections and keeps the requests it got.

    `ended` is released once for each connection that has ended; `answered` counts the answers that were sent whole.
    """

    def __init__(self, respond: Respond, port: int = 0) -> None:
        self.respond = respond
        self.requests: list[tuple[str, str, dict[str, Any]]] = []
        self.authorizations: list[str | None] = []
        self.connections: list[socket.socket] = []
        self.at_once = self.most_at_once = self.answered = 0
        self.lock = threading.Lock()
        self.ended = threading.Semaphore(0)
        self.closing = threading.Event()
        handler = type("Handler", (_Handler,), {"owner": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", port), handler, bind_and_activate=False)
        self._server.allow_reuse_address = True
        self._server.daemon_threads = False
        self._server.server_bind()
        self._server.server_activate()
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        self.closing.set()
        self._server.shutdown()
        for connection in self.connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: CAdvisorServer

    def setup(self) -> None:
        super().setup()
        self.owner.connections.append(self.request)

    def handle(self) -> None:
        with suppress(OSError):
            super().handle()

    def finish(self) -> None:
        with suppress(OSError):
            super().finish()
        self.owner.ended.release()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass

    def do_GET(self) -> None:
        self.do_POST()

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = json.loads(self.rfile.read(length)) if length else {}
        with self.owner.lock:
            self.owner.requests.append((self.command, self.path, body))
            self.owner.authorizations.append(self.headers["Authorization"])
            self.owner.at_once += 1
            self.owner.most_at_once = max(self.owner.most_at_once, self.owner.at_once)
        try:
            self.send(self.owner.respond(self.command, self.path, body))
            self.owner.answered += not self.owner.closing.is_set()
        finally:
            with self.owner.lock:
                self.owner.at_once -= 1

    def send(self, answer: Answer) -> None:
        self.owner.closing.wait(answer.delay_seconds)
        if answer.raw is not None:
            self.wfile.write(answer.raw)
        else:
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
        body = answer.body[: len(answer.body) // 2] if answer.cut else answer.body
        step = max(1, -(-len(body) // answer.pieces))
        for start in range(0, len(body), step):
            self.wfile.write(body[start : start + step])
            self.owner.closing.wait(answer.pause_between_pieces_seconds)
        self.close_connection = answer.cut or answer.raw is not None


@dataclass
class FakeContainer:
    """A container whose CPU counter rises by `cores` since `born` (the node's time)."""

    id: str
    name: str = "web.1.abc"
    cores: float = 0.25
    born: float = 0.0
    frozen_at: float = math.inf
    labels: dict[str, str] = field(
        default_factory=lambda: {
            "com.docker.swarm.service.name": "web",
            "com.docker.swarm.task.name": "web.1.abc",
        }
    )


class FakeNode:
    """Answers like a node's cAdvisor: a point every `housekeeping_seconds`, kept for `memory_seconds`.

    The store is searched as cAdvisor's is: inclusive start, a missing end means up to the newest, and `num_stats` keeps
    the newest. `clock_offset_seconds` is the node's clock minus ours.
    """

    def __init__(
        self,
        containers: list[FakeContainer],
        *,
        housekeeping_seconds: float = 0.1,
        memory_seconds: float = 120.0,
        clock_offset_seconds: float = 0.0,
    ) -> None:
        self.containers = {container.id: container for container in containers}
        self.housekeeping_seconds = housekeeping_seconds
        self.memory_seconds = memory_seconds
        self.clock_offset_seconds = clock_offset_seconds
        for container in containers:
            container.born = container.born or self.now() - 10.0
        self.root = FakeContainer("/", "/", cores=1.5, born=self.now() - 10.0)

    def now(self) -> float:
        return time.time() + self.clock_offset_seconds

    def add(self, container: FakeContainer) -> None:
        container.born = self.now()
        self.containers[container.id] = container

    def remove(self, container_id: str) -> None:
        del self.containers[container_id]

    def freeze(self, container_id: str) -> None:
        """Let a container be measured no more."""
        self.containers[container_id].frozen_at = self.now()

    def respond(self, method: str, path: str, body: dict[str, Any]) -> Answer:
        if path == MACHINE:
            return as_json({"num_cores": 4, "memory_capacity": 8 * 2**30})
        start = datetime.fromisoformat(body["start"]).timestamp() if "start" in body else None
        points = body.get("num_stats", 60)
        if path == ROOT:
            return as_json({"name": "/", "stats": self.stats(self.root, start, points)})
        return as_json(
            {
                f"/docker/{container.id}": {
                    "id": container.id,
                    "name": f"/docker/{container.id}",
                    "aliases": [container.name, container.id],
                    "namespace": "docker",
                    "spec": {
                        "labels": container.labels,
                        "has_cpu": True,
                        "cpu": {"limit": 1024, "quota": 50000},
                    },
                    "stats": self.stats(container, start, points),
                }
                for container in list(self.containers.values())
            }
        )

    def stats(self, container: FakeContainer, start: float | None, points: int) -> list[dict[str, Any]]:
        now = self.now()
        every = self.housekeeping_seconds
        first = max(container.born, now - self.memory_seconds)
        numbers = range(int(first / every) + 1, int(min(now, container.frozen_at) / every) + 1)
        stats = [
            point(number * every, (number * every - container.born) * container.cores) for number in numbers
        ]
        if start is not None:
            stats = [each for each in stats if datetime.fromisoformat(each["timestamp"]).timestamp() >= start]
        return stats if points < 0 else stats[-points:] if points else []


def point(epoch_seconds: float, cpu_seconds: float) -> dict[str, Any]:
    """One ContainerStats as cAdvisor writes it, stamped with nanoseconds and a zone that is not UTC."""
    stamp = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=round(epoch_seconds * 1e6), hours=2)
    return {
        "timestamp": f"{stamp:%Y-%m-%dT%H:%M:%S.%f}+02:00",
        "cpu": {"usage": {"total": round(cpu_seconds * 1e9)}, "cfs": {"throttled_time": 0}},
        "memory": {"usage": 64 * 2**20, "working_set": 48 * 2**20},
        "network": {"name": "eth0", "rx_bytes": 1, "tx_bytes": 2},
    }
