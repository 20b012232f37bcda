"""The embedded swarm: one node and one service of real processes on this machine; what `--swarm local` runs on.

    swarm = LocalSwarm(replicas=2)
    requests.get(swarm.url + "/primecheck")
    swarm.scale("web", 3)
    swarm.close()

The replicas, and the node process that supervises and measures them, end with the process that made the LocalSwarm,
however that one ends. It is not Docker: its replicas share one queue of connections, and limits hold by agreement.
"""

from __future__ import annotations

import atexit
import math
import os
import re
import secrets
import socket
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

import msgspec
import requests

from swarm_ext.errors import UserError
from swarm_ext.model import Node, ServiceState
from swarm_ext.primecheck import BACKLOG, DEFAULT_CONCURRENCY, DEFAULT_NUMBER, HIGHEST_NUMBER
from swarm_ext.primecheck.cpu_limit import check_cores
from swarm_ext.swarm import SwarmError, UnknownServiceError
from swarm_ext.swarm.local_api import SWARM_PREFIX, ScaleRequest
from swarm_ext.swarm.local_node import NodeConfig
from swarm_ext.swarm.local_process import NodeProcess
from swarm_ext.swarm.local_replica import ServiceSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

DEFAULT_SERVICE = "web"

DEFAULT_CPU_LIMIT_CORES = 0.25
"""The older deployment's limit: four replicas and the load generator fit on two cores."""

DEFAULT_STARTUP_SECONDS = 0.0

HIGHEST_REPLICAS = 64
HIGHEST_CONCURRENCY = 1_000
HIGHEST_STARTUP_SECONDS = 600.0

READY_SECONDS = 30.0
"""The first replicas must be ready so long after their start-up burst."""

_CALL_SECONDS = 5.0
_POLL_SECONDS = 0.05
_NAME = re.compile(r"[a-zA-Z0-9]([a-zA-Z0-9_.-]{0,61}[a-zA-Z0-9])?")

_AnswerT = TypeVar("_AnswerT")


class LocalSwarm:
    """A running embedded swarm; implements Swarm. `url` is where its service answers, `http://127.0.0.1:port`.

    Makes it and returns when the first replicas are ready. `cpu_limit_cores` is each replica's (None: no limit),
    `concurrency` the requests that one computes at once, `startup_seconds` how long it burns CPU before it is ready,
    `number` what /primecheck tests (None: a prime that costs about 30 ms of CPU), `port` 0: any free one. Raise
    UserError for a parameter out of bounds or a port in use, SwarmError if the replicas do not become ready.
    """

    kind = "local"

    def __init__(
        self,
        *,
        service: str = DEFAULT_SERVICE,
        replicas: int = 1,
        cpu_limit_cores: float | None = DEFAULT_CPU_LIMIT_CORES,
        concurrency: int = DEFAULT_CONCURRENCY,
        startup_seconds: float = DEFAULT_STARTUP_SECONDS,
        number: int | None = None,
        port: int = 0,
    ) -> None:
        spec = _checked(
            ServiceSpec(
                name=service,
                cpu_limit_cores=cpu_limit_cores,
                concurrency=concurrency,
                startup_seconds=startup_seconds,
                number=DEFAULT_NUMBER if number is None else number,
            )
        )
        _check("replicas", replicas, 0, HIGHEST_REPLICAS)
        _check("port", port, 0, 65_535)
        self._owner_pid = os.getpid()
        token = secrets.token_urlsafe(32)
        with _listen(port) as service_socket, _listen(0) as endpoint_socket:
            self.url = _url(service_socket)
            self._endpoint_url = _url(endpoint_socket)
            config = NodeConfig(
                owner_pid=self._owner_pid,
                service_fd=service_socket.fileno(),
                endpoint_fd=endpoint_socket.fileno(),
                token=token,
                service=spec,
                replicas=replicas,
            )
            self._node = NodeProcess(config, [config.service_fd, config.endpoint_fd])
        atexit.register(self.close)
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["Authorization"] = f"Bearer {token}"
        try:
            self._await_ready(service, replicas, READY_SECONDS + startup_seconds)
        except BaseException:
            self.close()
            raise

    def nodes(self) -> Sequence[Node]:
        """Return the one node."""
        return self._call("GET", "nodes", list[Node])

    def services(self) -> Sequence[str]:
        """Return the name of the one service."""
        return self._call("GET", "services", list[str])

    def service(self, name: str) -> ServiceState:
        """Return the service's state; raise UnknownServiceError."""
        return self._call("GET", _resource(name), ServiceState)

    def scale(self, name: str, replicas: int) -> None:
        """Ask for `replicas` replicas, at most 64, and return at once; those that stay are not touched."""
        if not 0 <= replicas <= HIGHEST_REPLICAS:
            raise SwarmError(
                f"cannot scale {name!r} to {replicas}: the embedded swarm runs 0 to {HIGHEST_REPLICAS} replicas"
            )
        self._call("POST", _resource(name), ServiceState, msgspec.json.encode(ScaleRequest(replicas)))

    def close(self) -> None:
        """End the replicas and the node process, and wait until they have ended. Idempotent."""
        if os.getpid() != self._owner_pid:
            return
        self._session.close()
        self._node.close()
        atexit.unregister(self.close)

    def _await_ready(self, service: str, replicas: int, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while (state := self.service(service)).ready < replicas:
            if time.monotonic() >= deadline:
                errors = (
                    "; ".join(sorted({task.error for task in state.tasks if task.error}))
                    or "no error was seen"
                )
                raise SwarmError(
                    f"the embedded swarm has {state.ready} of {replicas} replicas ready after {seconds:g} s "
                    f"({errors}){self._node.last_words()}"
                )
            time.sleep(_POLL_SECONDS)

    def _call(self, method: str, resource: str, kind: type[_AnswerT], body: bytes | None = None) -> _AnswerT:
        url = self._endpoint_url + SWARM_PREFIX + resource
        try:
            reply = self._session.request(method, url, data=body, timeout=_CALL_SECONDS)
        except requests.RequestException as error:
            raise self._node.silence(type(error).__name__) from None
        if reply.status_code == HTTPStatus.OK:
            return msgspec.json.decode(reply.content, type=kind)
        text = f"the embedded swarm refused {method} {resource}: {_error_text(reply)}"
        raise (UnknownServiceError if reply.status_code == HTTPStatus.NOT_FOUND else SwarmError)(text)


def cores_warning(
    max_replicas: int, limit_cores: float | None, machine_cores: float, generator_cores: float = 1.0
) -> str | None:
    """Return a warning, in one line, when the replicas and the load generator together can need more cores than there are.

    `limit_cores` is each replica's CPU limit (None: no limit, so a whole core, the most that one Python process uses).
    """
    each = 1.0 if limit_cores is None else limit_cores
    needed = max_replicas * each + generator_cores
    if needed <= machine_cores + 1e-9:
        return None
    spare = machine_cores - generator_cores
    fitting = math.floor(spare / each + 1e-9)
    if fitting >= 1:
        remedy = f"set --max-replicas to {fitting} at most, or a lower CPU limit"
    else:
        remedy = "set a lower CPU limit, or use a larger machine"
    return (
        f"{max_replicas} replicas × {each:g} cores and {generator_cores:g} for the load generator are {needed:g} cores, "
        f"and this machine has {machine_cores:g}: what replicas get is then decided by the machine, not by their "
        f"limit; {remedy}"
    )


def _checked(spec: ServiceSpec) -> ServiceSpec:
    """Return `spec` if everything in it is possible; raise UserError."""
    if not _NAME.fullmatch(spec.name):
        raise UserError(
            f"the service's name is {spec.name!r}; it must be 1 to 63 letters, digits, '-', '_' or '.'"
        )
    if spec.cpu_limit_cores is not None:
        try:
            check_cores(spec.cpu_limit_cores)
        except ValueError as error:
            raise UserError(str(error)) from None
    _check("concurrency", spec.concurrency, 1, HIGHEST_CONCURRENCY)
    _check("startup_seconds", spec.startup_seconds, 0, HIGHEST_STARTUP_SECONDS)
    _check("number", spec.number, 0, HIGHEST_NUMBER)
    return spec


def _check(name: str, value: float, lowest: float, highest: float) -> None:
    if not lowest <= value <= highest:
        raise UserError(f"{name} is {value}; it must lie between {lowest} and {highest}")


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server(("127.0.0.1", port), backlog=BACKLOG)
    except OSError as error:
        raise UserError(
            f"cannot listen on 127.0.0.1:{port}: {error.strerror}; choose another port, 0 for any free one"
        ) from None


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()
    return f"http://{host}:{port}"


def _resource(service: str) -> str:
    return f"services/{quote(service, safe='')}"


def _error_text(reply: requests.Response) -> str:
    try:
        return str(msgspec.json.decode(reply.content, type=dict[str, str])["error"])
    except (msgspec.DecodeError, KeyError):
        return f"HTTP status {reply.status_code}"
