"""The connection to a swarm's manager: Docker's SDK finds and secures it, as it would for any Docker client.

That is by DOCKER_HOST (unix://, tcp:// with DOCKER_TLS_VERIFY and DOCKER_CERT_PATH, or ssh://), else by the current
`docker context`, else by the socket of this machine's engine.
"""

from __future__ import annotations

import logging
import os
import socket
import ssl
import threading
from typing import TYPE_CHECKING, Any

import requests
import urllib3

from swarm_ext.causes import causes
from swarm_ext.errors import UserError
from swarm_ext.swarm import SwarmError
from swarm_ext.swarm.docker_wire import refusal
from swarm_ext.web_address import without_credentials

if TYPE_CHECKING:
    from collections.abc import Mapping

    from docker import APIClient

TIMEOUT_SECONDS = 5.0
"""To connect, and to wait for a part of an answer. A manager that is well answers within milliseconds."""

DEFAULT_ADDRESS = "unix:///var/run/docker.sock"


class RefusedError(SwarmError):
    """The engine answered, and refused; `status` is HTTP's."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


class DockerConnection:
    """Requests to one engine's API, over kept-alive connections; whichever breaks is made anew with the next request.

    Any number of greenlets or threads may use it. Raises SwarmError, RefusedError where the engine answered.
    """

    def __init__(self, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._timeout_seconds = timeout_seconds
        self._client: APIClient | None = None
        self._opening = threading.Lock()
        self.address = DEFAULT_ADDRESS

    def get(self, path: str, **query: str) -> bytes:
        """Ask for `path`."""
        return self._request("GET", path, query, None)

    def post(self, path: str, body: bytes, **query: str) -> bytes:
        """Send `body`, which is JSON, to `path`."""
        return self._request("POST", path, query, body)

    def close(self) -> None:
        """Close every connection. Idempotent."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _request(self, method: str, path: str, query: Mapping[str, str], body: bytes | None) -> bytes:
        try:
            client = self._opened()
            reply = client.request(
                method,
                f"{client.base_url}{path}",
                params=query,
                data=body,
                headers={"Content-Type": "application/json"} if body else None,
                timeout=self._timeout_seconds,
                verify=client.verify,  # else REQUESTS_CA_BUNDLE would win over DOCKER_CERT_PATH
            )
            answer = reply.content
        except UserError:
            raise
        except Exception as error:  # ssh's errors are of kinds of their own
            self.close()
            raise SwarmError(f"{self}: {_why(error, self._timeout_seconds)}") from error
        if reply.status_code >= 400:
            words = refusal(answer)
            if _WANTS_TLS in words:
                raise SwarmError(
                    f"{self} wants TLS; set DOCKER_TLS_VERIFY=1, and DOCKER_CERT_PATH to the folder of its certificates"
                )
            raise RefusedError(f"{self} refused {method} {path}: {words}", reply.status_code)
        return answer

    def _opened(self) -> APIClient:
        with self._opening:
            if self._client is None:
                docker = _sdk()
                self.address = _address(docker)
                # any version will do: it keeps the SDK from asking for the engine's, and our paths name none
                version = docker.constants.DEFAULT_DOCKER_API_VERSION
                self._client = docker.from_env(timeout=self._timeout_seconds, version=version).api
                logging.getLogger("paramiko").setLevel(logging.CRITICAL)  # what it would say, we say once
            return self._client

    def __str__(self) -> str:
        return f"the Docker engine at {self.address}"


def _sdk() -> Any:
    try:
        import docker  # noqa: PLC0415 - who has no swarm needs no SDK
    except ImportError:
        raise UserError(
            "a Docker swarm needs Docker's SDK, which is not installed: pip install 'swarm-ext[docker]'"
        ) from None
    return docker


def _address(docker: Any) -> str:
    given = os.environ.get("DOCKER_HOST") or docker.ContextAPI.kwargs_from_context().get("base_url")
    return without_credentials(given or DEFAULT_ADDRESS)


_REASONS: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
    (
        (FileNotFoundError,),
        "there is no such socket; start Docker, or set DOCKER_HOST to a manager of the swarm",
    ),
    ((PermissionError,), "permission denied; join the group `docker`, or become root"),
    (
        (ConnectionRefusedError,),
        "connection refused; is Docker running there, and listening on this address?",
    ),
    ((socket.gaierror,), "the host's name cannot be resolved; correct DOCKER_HOST"),
    (
        (ssl.SSLError,),
        "TLS failed ({words}); DOCKER_CERT_PATH must be the folder of the ca.pem, cert.pem and key.pem that fit this engine",
    ),
    (
        (urllib3.exceptions.ReadTimeoutError, requests.ReadTimeout),
        "connected, but no answer within {seconds:g} s",
    ),
    (
        (urllib3.exceptions.ConnectTimeoutError, TimeoutError),
        "no connection within {seconds:g} s; is the host up, and its port open from here?",
    ),
    ((ConnectionError,), "the connection was closed without an answer"),
)
"""The first that is found among an error's causes is told: the exact ones stand before the general ones."""

_WANTS_TLS = "HTTP request to an HTTPS server"
"""An engine's own words to whoever speaks plainly."""

_HINTS = (
    ("Socket is closed", "the connection was closed without an answer"),
    ("not found in known_hosts", "ssh does not know the host's key; accept it by connecting with `ssh` once"),
    (
        "uthentication",
        "ssh refused the log-in ({words}); load a key by `ssh-add`, and name the user: ssh://user@host",
    ),
    ("paramiko", "ssh:// needs paramiko, which is not installed: pip install 'swarm-ext[docker]'"),
    (
        "TLS configurations should",
        (
            "TLS is asked for (DOCKER_TLS_VERIFY, DOCKER_CERT_PATH), but there are no ca.pem, cert.pem and key.pem to "
            "use, or no DOCKER_HOST to use them with"
        ),
    ),
    (
        "Invalid bind address",
        "this is no address of an engine; set DOCKER_HOST to unix:///…, tcp://host:2376 or ssh://user@host",
    ),
)


def _why(error: BaseException, seconds: float) -> str:
    beneath = causes(error)
    for kinds, reason in _REASONS:
        for cause in beneath:
            if isinstance(cause, kinds):
                return reason.format(seconds=seconds, words=_in_one_line(cause))
    words = _in_one_line(error)
    return next((hint.format(words=words) for sign, hint in _HINTS if sign in words), words)


def _in_one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
