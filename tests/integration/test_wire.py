"""The wire sees each connection or request once, when it arrives, and says so when it has missed one."""

from __future__ import annotations

import socket
import struct
import subprocess
import sys
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.integration import wire as wire_module
from tests.integration.bed.network import Network
from tests.integration.bed.prerequisites import missing, skip_or_fail
from tests.integration.wire import REQUEST, MissedPacketsError, Wire, lacking, watched

if TYPE_CHECKING:
    from collections.abc import Iterator

CLOCK_SECONDS = 1e-5
"""What two readings of the real-time clock, ours and the kernel's, may differ by."""
RESET = struct.pack("ii", 1, 0)
PATIENCE_SECONDS = 10
LISTEN = "import socket; s = socket.create_server(('', 8080)); print('', flush=True); [s.accept() for _ in iter(int, 1)]"


@pytest.fixture(autouse=True)
def _can_see() -> None:
    if lacking():
        skip_or_fail(lacking())


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as server:
        yield server


def port_of(server: socket.socket) -> int:
    return int(server.getsockname()[1])


def connect(server: socket.socket) -> int:
    """Connect, reset, and return the client's port."""
    with closing(socket.create_connection(server.getsockname())) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        return int(client.getsockname()[1])


def test_each_connection_is_seen_once_and_when_it_arrived(listener: socket.socket) -> None:
    expected = []
    with watched(port_of(listener)) as wire:
        for _ in range(50):
            before = time.time()
            port = connect(listener)
            expected.append((before, port, time.time()))
    assert [packet.port for packet in wire.packets] == [port for _, port, _ in expected]
    for packet, (before, _, after) in zip(wire.packets, expected, strict=True):
        assert before - CLOCK_SECONDS <= packet.at <= after + CLOCK_SECONDS
    assert wire.repeated == 0


def test_each_request_on_a_kept_connection_is_seen_and_no_response(listener: socket.socket) -> None:
    expected = []
    with (
        watched(port_of(listener), sign=REQUEST) as wire,
        socket.create_connection(listener.getsockname()) as client,
        listener.accept()[0] as server,
    ):
        for _ in range(20):
            before = time.time()
            client.sendall(b"request")
            assert server.recv(64) == b"request"
            expected.append((before, time.time()))
            server.sendall(b"response")
            assert client.recv(64) == b"response"
        port = client.getsockname()[1]
    assert [packet.port for packet in wire.packets] == [port] * 20
    for packet, (before, after) in zip(wire.packets, expected, strict=True):
        assert before - CLOCK_SECONDS <= packet.at <= after + CLOCK_SECONDS


def test_connections_to_other_ports_are_not_seen(listener: socket.socket) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other, watched(port_of(listener)) as wire:
        connect(other)
        connect(listener)
    assert len(wire.packets) == 1


def test_a_connection_that_has_to_be_asked_for_twice_is_seen_once_and_when_it_was_first() -> None:
    with (
        socket.create_server(("127.0.0.1", 0), backlog=0) as full,
        watched(port_of(full)) as wire,
        socket.create_connection(full.getsockname()),  # nobody accepts it, so there is no room for another
    ):
        before = time.time()
        waiting = threading.Thread(target=connect, args=(full,))
        waiting.start()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not wire.repeated and time.monotonic() < deadline:
            time.sleep(0.01)
        full.accept()[0].close()
        waiting.join()
    assert wire.repeated >= 1
    assert len(wire.packets) == 2
    assert wire.packets[1].at - before < 0.9  # a second try comes after a second


def test_a_record_with_holes_is_refused(listener: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire_module, "_BUFFER_BYTES", 4096)
    monkeypatch.setattr(wire_module, "_EVERY_SECONDS", 60)
    wire = Wire(port_of(listener), "lo", None)
    for _ in range(100):
        connect(listener)
    with pytest.raises(MissedPacketsError, match="were dropped for want of room"):
        wire.close()


def test_connections_to_a_host_of_a_test_bed_are_seen_there() -> None:
    if missing():
        skip_or_fail(missing())
    network = Network()
    try:
        host = network.add("wire")
        with host.start(sys.executable, "-c", LISTEN, stdout=subprocess.PIPE) as server:
            try:
                assert server.stdout.readline()
                with watched(8080, interface="eth0", host=host) as wire:
                    for _ in range(3):
                        socket.create_connection((host.address, 8080)).close()
                assert len(wire.packets) == 3
            finally:
                server.kill()
    finally:
        network.down()
