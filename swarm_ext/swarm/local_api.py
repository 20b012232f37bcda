"""The HTTP endpoint of the embedded swarm's node: cAdvisor's API for everybody, the swarm's own for its owner.

It listens on the loopback address. What changes or lists services asks for the owner's token.
"""

from __future__ import annotations

import hmac
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote

import msgspec

from swarm_ext.swarm.local_cadvisor import InfoRequest, Json, decode_request

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from swarm_ext.model import Node, ServiceState

CADVISOR_PREFIX = "/api/v1.3/"
SWARM_PREFIX = "/swarm/"

_BODY_BYTES = 65_536


class ScaleRequest(msgspec.Struct, frozen=True):
    """How many replicas to have."""

    replicas: int


class NodeApi(Protocol):
    """What the endpoint serves."""

    def nodes(self) -> Sequence[Node]:
        """Return this node."""
        ...

    def services(self) -> Sequence[str]:
        """Return the names of all services."""
        ...

    def service(self, name: str) -> ServiceState | None:
        """Return a service's state; None if there is none of that name."""
        ...

    def scale(self, name: str, replicas: int) -> None:
        """Ask a service that there is for so many replicas."""
        ...

    def machine(self) -> Json:
        """Return cAdvisor's MachineInfo."""
        ...

    def machine_container(self, request: InfoRequest) -> Json:
        """Return cAdvisor's ContainerInfo of the whole machine."""
        ...

    def docker_containers(self, request: InfoRequest) -> dict[str, Json]:
        """Return cAdvisor's ContainerInfo of each replica by its name there."""
        ...


class Endpoint(ThreadingHTTPServer):
    """Serves a NodeApi on a socket that listens already. `serve_forever` in a thread of its own, then `shutdown`."""

    daemon_threads = True

    def __init__(self, listener: socket.socket, api: NodeApi, token: str) -> None:
        super().__init__(listener.getsockname(), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.api = api
        self.token = token


class _Refusal(Exception):  # noqa: N818  an answer, not an error of ours
    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


class _Handler(BaseHTTPRequestHandler):
    server: Endpoint
    protocol_version = "HTTP/1.1"
    timeout = 60
    wbufsize = -1  # one segment a response: headers alone would wait for the client's delayed acknowledgement

    def do_GET(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's parameter
        """Say nothing: this endpoint is asked every second."""

    def _handle(self) -> None:
        try:
            answer = self._answer(unquote(self.path.split("?", 1)[0]), self._body())
        except _Refusal as refusal:
            self.close_connection = True
            self._send(refusal.status, {"error": refusal.text})
        else:
            self._send(HTTPStatus.OK, answer)

    def _answer(self, path: str, body: bytes) -> object:
        if path.startswith(CADVISOR_PREFIX):
            return self._cadvisor(path.removeprefix(CADVISOR_PREFIX), body)
        if path.startswith(SWARM_PREFIX):
            return self._swarm(path.removeprefix(SWARM_PREFIX), body)
        raise _Refusal(HTTPStatus.NOT_FOUND, f"there is no {path[:80]!r} here")

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal() or int(length) > _BODY_BYTES:
            raise _Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a body may have up to {_BODY_BYTES} bytes")
        return self.rfile.read(int(length))

    def _send(self, status: HTTPStatus, answer: object) -> None:
        body = msgspec.json.encode(answer)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def _cadvisor(self, resource: str, body: bytes) -> object:
        api = self.server.api
        try:
            request = decode_request(body)
        except ValueError as error:
            raise _Refusal(
                HTTPStatus.BAD_REQUEST, f"the body is not a ContainerInfoRequest: {error}"
            ) from None
        kind, _, name = resource.partition("/")
        if kind == "machine":
            return api.machine()
        if kind == "containers" and not name:
            return api.machine_container(request)
        if kind == "docker":
            found = api.docker_containers(request)
            if not name:
                return found
            named = {key: info for key, info in found.items() if name in {info["id"], *info["aliases"]}}
            if named:
                return named
        raise _Refusal(HTTPStatus.NOT_FOUND, f"there is no {resource[:80]!r} here")

    def _swarm(self, resource: str, body: bytes) -> object:
        given = self.headers.get("Authorization", "").encode("latin-1", "replace")
        if not hmac.compare_digest(given, f"Bearer {self.server.token}".encode()):
            raise _Refusal(
                HTTPStatus.UNAUTHORIZED, "this needs the token of the process that started this node"
            )
        api = self.server.api
        if resource == "nodes":
            return api.nodes()
        kind, _, name = resource.partition("/")
        if kind != "services":
            raise _Refusal(HTTPStatus.NOT_FOUND, f"there is no {resource[:80]!r} here")
        if not name:
            return api.services()
        state = api.service(name)
        if state is None:
            raise _Refusal(
                HTTPStatus.NOT_FOUND, f"there is no service {name!r}; there is: {', '.join(api.services())}"
            )
        if self.command == "GET":
            return state
        try:
            wanted = msgspec.json.decode(body, type=ScaleRequest)
        except ValueError as error:
            raise _Refusal(
                HTTPStatus.BAD_REQUEST, f"the body does not say how many replicas: {error}"
            ) from None
        api.scale(name, wanted.replicas)
        return api.service(name)
