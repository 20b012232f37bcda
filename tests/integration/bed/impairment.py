"""Delay and loss between a host and all others: by the kernel's netem where it has it, else by a program of our own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.bed.shell import BedError, run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.bed.network import Host, Network

_PROGRAM = Path(__file__).with_name("slow_way.py")
_INNER = "slow0"


@dataclass(frozen=True)
class Impairment:
    """What becomes of a packet, on its way to the host and on its way from it."""

    delay_seconds: float
    jitter_seconds: float
    loss: float

    def netem(self) -> list[str]:
        """Return the words for `tc qdisc add dev DEVICE root`."""
        delay = (f"{1000 * seconds:g}ms" for seconds in (self.delay_seconds, self.jitter_seconds))
        return ["netem", "delay", *delay, "loss", f"{100 * self.loss:g}%"]


def outer_end(network: Network, host: Host) -> str:
    """Return the name of the bridge's end of a host's cable: set down, it cuts the host off."""
    return f"{network.bridge}v{network.hosts.index(host) + 1}"


@contextmanager
def impaired(network: Network, host: Host, impairment: Impairment, *, seed: int = 1) -> Iterator[None]:
    """Impair the way between a host and its bridge for a while. Skips where the kernel has nothing to do it with."""
    outer = outer_end(network, host)
    try:
        run("tc", "qdisc", "add", "dev", outer, "root", *impairment.netem())
    except BedError as error:
        if "qdisc kind is unknown" not in str(error):
            raise
        with _by_program(network, host, impairment, seed):
            yield
        return
    run("tc", "-n", host.namespace, "qdisc", "add", "dev", "eth0", "root", *impairment.netem())
    try:
        yield
    finally:
        run("tc", "-n", host.namespace, "qdisc", "del", "dev", "eth0", "root")
        run("tc", "qdisc", "del", "dev", outer, "root")


@contextmanager
def _by_program(network: Network, host: Host, impairment: Impairment, seed: int) -> Iterator[None]:
    """Lead the host's traffic through a pair of TAP devices. Its address, also that on the Ethernet, stays what it is."""
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        pytest.skip("this kernel has neither netem nor TUN devices: nothing can delay packets")
    outer = f"{outer_end(network, host)}s"
    asked = (impairment.delay_seconds, impairment.jitter_seconds, impairment.loss, seed)
    command = ["setpriv", "--pdeathsig", "KILL", sys.executable, str(_PROGRAM), outer, _INNER]
    with subprocess.Popen([*command, *map(str, asked)], stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        try:
            assert program.stdout.readline() == "ready\n"
            run("ip", "link", "set", outer, "master", network.bridge, "up")
            run("ip", "link", "set", _INNER, "netns", host.namespace)
            (eth0,) = json.loads(run("ip", "-n", host.namespace, "-json", "link", "show", "eth0"))
            ethernet = eth0["address"]
            _move(network, host, "eth0", _INNER, ethernet)
            yield
            _move(network, host, _INNER, "eth0", ethernet)
        finally:
            program.terminate()


def _move(network: Network, host: Host, source: str, target: str, ethernet: str) -> None:
    """Give a host's address to another device of it."""
    for words in (
        ("addr", "flush", "dev", source),
        ("link", "set", source, "down"),
        ("link", "set", target, "address", ethernet),
        ("link", "set", target, "up"),
        ("addr", "add", f"{host.address}/24", "dev", target),
        ("route", "add", "default", "via", network.gateway),
    ):
        run("ip", "-n", host.namespace, *words)
