"""Hosts on one Ethernet segment: network namespaces that hang on a bridge."""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.integration.bed.shell import BedError, run

if TYPE_CHECKING:
    from collections.abc import Sequence

PREFIX = "sxbed"
"""What every bridge and namespace of ours is called by, with the bed's number behind it."""

_NUMBERS = range(1, 100)


@dataclass(frozen=True)
class Host:
    """One network namespace, reachable from this machine and from its neighbours at `address`."""

    namespace: str
    address: str

    def command(self, *words: str) -> list[str]:
        """Return the command that runs `words` on this host's network, in this machine's file system."""
        # nsenter, not `ip netns exec`: that one remounts /sys, which hides the cgroups
        return ["nsenter", f"--net=/run/netns/{self.namespace}", *words]

    def start(self, *words: str, **popen: Any) -> subprocess.Popen[Any]:
        """Start `words` on this host; it is killed with this process's main thread."""
        return subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *self.command(*words)], **popen)

    def run(self, *words: str, timeout: float = 60.0) -> str:
        """Run `words` on this host to their end."""
        return run(*self.command(*words), timeout=timeout)


class Network:
    """A bridge and its hosts. 10.77.NUMBER.0/24; this machine is .254."""

    def __init__(self) -> None:
        self.number, self._hold = _take_number()
        self.bridge = f"{PREFIX}{self.number}"
        self.hosts: list[Host] = []
        try:
            run("ip", "addr", "add", f"{self.gateway}/24", "dev", self.bridge)
            run("ip", "link", "set", self.bridge, "up")
            for rule in _rules(self.bridge):
                run("iptables", "-w", "-I", *rule)
        except BedError:
            self.down()
            raise

    @property
    def gateway(self) -> str:
        """This machine's address on the bed's network."""
        return f"10.77.{self.number}.254"

    def add(self, name: str) -> Host:
        """Add a host."""
        index = len(self.hosts) + 1
        host = Host(f"{self.bridge}-{name}", f"10.77.{self.number}.{index}")
        self.hosts.append(host)
        outer = f"{self.bridge}v{index}"
        run("ip", "netns", "add", host.namespace)
        run("ip", "link", "add", outer, "type", "veth", "peer", "name", "eth0", "netns", host.namespace)
        run("ip", "link", "set", outer, "master", self.bridge, "up")
        for words in (
            ("addr", "add", f"{host.address}/24", "dev", "eth0"),
            ("link", "set", "eth0", "up"),
            ("link", "set", "lo", "up"),
            ("route", "add", "default", "via", self.gateway),
        ):
            run("ip", "-n", host.namespace, *words)
        return host

    def down(self) -> None:
        """Remove hosts, bridge and rules. Idempotent."""
        remove(self.number)
        self._hold.close()


def remove(number: int) -> None:
    """Remove what a bed of this number left of its network; what is not there is fine."""
    bridge = f"{PREFIX}{number}"
    for namespace in namespaces(number):
        _try("ip", "netns", "del", namespace)
    for link in (*_outer_ends(bridge), bridge):
        _try("ip", "link", "del", link)
    for rule in _rules(bridge):
        _try("iptables", "-w", "-D", *rule)


def namespaces(number: int) -> Sequence[str]:
    """Return the namespaces of the bed of this number."""
    names = [line.split()[0] for line in run("ip", "netns", "list").splitlines() if line.strip()]
    return [name for name in names if name.startswith(f"{PREFIX}{number}-")]


def numbers_in_use() -> list[int]:
    """Return the numbers of the beds that have a bridge."""
    links = run("ip", "-brief", "link", "show", "type", "bridge").split()
    return sorted(
        int(word.removeprefix(PREFIX))
        for word in links
        if word.startswith(PREFIX) and word.removeprefix(PREFIX).isdigit()
    )


def held(number: int) -> socket.socket | None:
    """Take a number until what is returned is closed, or its process has ended; return None if somebody has it.

    It is a name among the abstract ones of Unix sockets (`unix(7)`), which leaves nothing behind.
    """
    hold = socket.socket(socket.AF_UNIX)
    try:
        hold.bind(f"\0{PREFIX}{number}")
    except OSError:
        hold.close()
        return None
    return hold


def _take_number() -> tuple[int, socket.socket]:
    """Make the first bridge that is not there yet, of a number that nobody has; return the number, and what holds it."""
    error: BedError | None = None
    for number in _NUMBERS:
        hold = held(number)
        if hold is None:
            continue
        try:
            run("ip", "link", "add", f"{PREFIX}{number}", "type", "bridge")
        except BedError as failure:
            hold.close()
            error = failure
            if "exists" not in str(failure):
                break
        else:
            return number, hold
    raise BedError(f"no bridge could be made: {error}")


def _outer_ends(bridge: str) -> list[str]:
    links = run("ip", "-brief", "link", "show", "type", "veth").splitlines()
    names = [line.split()[0].split("@")[0] for line in links if line.strip()]
    return [name for name in names if re.fullmatch(rf"{bridge}v\d+", name)]


def _rules(bridge: str) -> list[list[str]]:
    return [["FORWARD", direction, bridge, "-j", "ACCEPT"] for direction in ("-i", "-o")]


def _try(*command: str) -> None:
    with contextlib.suppress(BedError):
        run(*command)
