"""What a container of ours on one engine is to be, for the SDK and for people who type it themselves. Pure."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from swarm_ext.web_address import in_brackets

ROLE_LABEL = "swarm-ext.role"
"""Says of a container that it is ours to remove."""

_UNITS = {"": 1, "b": 1, "k": 2**10, "m": 2**20, "g": 2**30}
_NANO = 1_000_000_000
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Publication:
    """A port of the engine's machine, on one of its addresses."""

    address: str
    port: int

    def url(self, host: str) -> str:
        """Return the URL of this port as seen from where `host` is the machine's name."""
        return f"http://{in_brackets(host)}{'' if self.port == 80 else f':{self.port}'}"

    def host_from(self, remote_host: str | None) -> str | None:
        """Return the host at which it is reached from here: None if it is a remote machine's loopback.

        `remote_host` is the machine that the engine is on, None if it is this one.
        """
        address = ip_address(self.address)
        if remote_host is not None:
            return None if address.is_loopback else remote_host if address.is_unspecified else self.address
        if address.is_unspecified:
            return LOOPBACK if address.version == 4 else "::1"
        return self.address

    def __str__(self) -> str:
        return f"{in_brackets(self.address)}:{self.port}"


def publication(text: str, default_address: str = LOOPBACK) -> Publication:
    """Return what `PORT` or `ADDRESS:PORT` means; raise ValueError, one line."""
    found = re.fullmatch(r"(?:(?:\[(?P<v6>[^\]]+)\]|(?P<v4>[^:\[\]]+)):)?(?P<port>\d{1,5})", text)
    try:
        if found is None:
            raise ValueError  # noqa: TRY301 - told below
        address = str(ip_address(found["v6"] or found["v4"] or default_address))
        port = int(found["port"])
        if not 1 <= port <= 65_535:
            raise ValueError  # noqa: TRY301
    except ValueError:
        raise ValueError(
            f"{text[:60]!r} must be PORT or ADDRESS:PORT, as in 127.0.0.1:80 or [::1]:80; 0.0.0.0:80 is every address"
        ) from None
    return Publication(address, port)


def memory_bytes(text: str) -> int:
    """Return the bytes that `256M` (units of 1,024: B, K, M, G) means; raise ValueError, one line."""
    found = re.fullmatch(r"(\d{1,15})([bkmg]?)", text.lower())
    if found is None or int(found[1]) == 0:
        raise ValueError(f"{text[:40]!r} must be a whole number of bytes, or one with K, M or G, as in 256M")
    return int(found[1]) * _UNITS[found[2]]


@dataclass(frozen=True, slots=True)
class ContainerPlan:
    """One container. `mounts` are (source, target) on the engine's machine, read-only; `cpus` in cores."""

    role: str
    name: str
    image: str
    published: Publication
    port: int
    command: tuple[str, ...] = ()
    cpus: float | None = None
    memory: int | None = None
    mounts: tuple[tuple[str, str], ...] = ()

    def docker_run(self) -> str:
        """Return the `docker` command line that makes this container."""
        words = ["docker", "run", "--detach", "--name", self.name, "--label", f"{ROLE_LABEL}={self.role}"]
        words += ["--publish", f"{self.published}:{self.port}"]
        words += [] if self.cpus is None else ["--cpus", f"{self.cpus:g}"]
        words += [] if self.memory is None else ["--memory", str(self.memory)]
        for source, target in self.mounts:
            words += ["--volume", f"{source}:{target}:ro"]
        return shlex.join([*words, self.image, *self.command])

    def sdk_arguments(self) -> dict[str, Any]:
        """Return the arguments of the SDK's `containers.create`."""
        return {
            "image": self.image,
            "command": list(self.command) or None,
            "name": self.name,
            "labels": {ROLE_LABEL: self.role},
            "ports": {f"{self.port}/tcp": (self.published.address, self.published.port)},
            "nano_cpus": None if self.cpus is None else round(self.cpus * _NANO),
            "mem_limit": self.memory,
            # not as texts: the SDK takes the one that begins with `/:` for a Windows path, and asks for one more volume
            "volumes": {source: {"bind": target, "mode": "ro"} for source, target in self.mounts},
        }
