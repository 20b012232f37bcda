"""The slow and lossy way that other tests put between hosts is as slow and as lossy as they ask."""

from __future__ import annotations

import contextlib
import errno
import math
import socket
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.integration.bed.impairment import Impairment, impaired
from tests.integration.machines import hosts_network

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.bed.network import Host, Network

CLOSED_PORT, UDP_PORT = 9, 9000
DATAGRAMS = 1000
COUNT = f"""
import socket
here = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
here.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # SO_RCVBUFFORCE: all fit, however late this program comes to read
here.bind(("0.0.0.0", {UDP_PORT}))
here.settimeout(30)
print("ready", flush=True)
count = 0
try:
    while count < {DATAGRAMS}:
        here.recv(100)
        here.settimeout(2)
        count += 1
except TimeoutError:
    pass
print(count, flush=True)
"""


@pytest.fixture
def network() -> Iterator[Network]:
    with hosts_network() as made:
        yield made


def round_trip_seconds(host: Host) -> float:
    """How long a host takes to refuse a connection."""
    began = time.monotonic()
    with contextlib.suppress(ConnectionRefusedError):
        socket.create_connection((host.address, CLOSED_PORT), timeout=30).close()
    return time.monotonic() - began


def make_acquainted(host: Host) -> None:
    """Have the neighbours find each other, so that nothing is lost for want of that: their questions get lost, too."""
    for _ in range(20):
        try:
            round_trip_seconds(host)
        except OSError as error:
            if error.errno != errno.EHOSTUNREACH:
                raise
        else:
            return
    raise AssertionError(f"{host.address} is not found by its neighbour")


def test_each_way_takes_the_delay_while_it_is_impaired_and_other_hosts_feel_nothing(network: Network) -> None:
    host, neighbour = network.add("a"), network.add("b")
    with impaired(network, host, Impairment(0.04, 0.01, 0.0)):
        there_and_back = [round_trip_seconds(host) for _ in range(20)]
        beside = min(round_trip_seconds(neighbour) for _ in range(20))
    assert min(there_and_back) >= 2 * 0.03
    assert min(there_and_back) < 2 * 0.05
    assert beside < 0.03
    assert min(round_trip_seconds(host) for _ in range(20)) < 0.03, "it is undone"


def test_the_share_of_packets_that_is_lost_is_as_asked(network: Network) -> None:
    host, loss = network.add("a"), 0.1
    with (
        impaired(network, host, Impairment(0.005, 0.0, loss)),
        host.start(sys.executable, "-c", COUNT, stdout=-1, text=True) as counter,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as here,
    ):
        assert counter.stdout is not None
        assert counter.stdout.readline() == "ready\n"
        make_acquainted(host)
        for number in range(DATAGRAMS):
            here.sendto(b"x", (host.address, UDP_PORT))
            if number % 20 == 0:
                time.sleep(0.02)
        lost = DATAGRAMS - int(counter.stdout.readline())
    assert abs(lost - DATAGRAMS * loss) < 5 * math.sqrt(DATAGRAMS * loss * (1 - loss))
