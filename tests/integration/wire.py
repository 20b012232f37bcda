"""When connections arrive at a TCP port, by the kernel's clock: what a generator offers, seen from the outside.

A server's own clock would say when it got round to looking. A packet socket (`packet(7)`) gets a copy of each packet that
asks for a connection (SYN without ACK) as it comes in from the interface, before TCP sees it, and the kernel's time
stamp with it. A thread collects the copies now and then; when it does so is of no matter.

It needs root, and IPv4. The clock is the system's real-time clock: fine for gaps, unless somebody sets it meanwhile.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.bed.network import Host

_ETH_P_IP = 0x0800
"""Only with a protocol of its own does a packet socket see what comes in alone; with all of them, what goes out, too."""
_SOL_PACKET, _PACKET_STATISTICS = 263, 6
_SO_ATTACH_FILTER, _SO_TIMESTAMPNS, _SO_RCVBUFFORCE = 26, 35, 33
_CLONE_NEWNET = 0x40000000
_TIMESPEC = struct.Struct("ll")
_BUFFER_BYTES = 64 << 20
"""Room for some 50,000 packets: for seconds in which the thread does not come to run."""
_HEADERS_BYTES = 128
_EVERY_SECONDS = 0.05


class MissedPacketsError(AssertionError):
    """The record has holes: nothing can be said of the arrivals."""


class Connection(NamedTuple):
    """An attempt to connect: when it arrived, in seconds since the Epoch, and from which port."""

    at: float
    port: int


def lacking() -> str:
    """Return, in words, what is missing to watch a wire; an empty text when nothing is."""
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0).close()
    except AttributeError:
        return "packets can be watched on Linux only"
    except PermissionError:
        return "packets can be watched by root only: run the tests as root"
    return ""


class Wire:
    """The connections that arrive at one port through one interface, each once, however often it was asked for."""

    def __init__(self, port: int, interface: str, host: Host | None) -> None:
        self._tap = _packet_socket(host)
        try:
            self._tap.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_BYTES)
            self._tap.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
            _attach_filter(self._tap, port)
            self._tap.bind((interface, _ETH_P_IP))  # from here on, not before, are there any packets
        except BaseException:
            self._tap.close()
            raise
        self._asked: dict[bytes, Connection] = {}
        self._packets = 0
        self.repeated = 0
        """How many packets asked again for a connection that was not answered in time."""
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._drain_until_end, name=f"wire-{port}", daemon=True)
        self._thread.start()

    @property
    def connections(self) -> list[Connection]:
        """What has arrived so far, in order. Complete once the wire is closed."""
        return sorted(self._asked.values())

    def close(self) -> None:
        """End it; raise MissedPacketsError if the kernel had no room for all of the packets."""
        self._end.set()
        self._thread.join()
        try:
            self._drain()
            counts = self._tap.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8)
        finally:
            self._tap.close()
        packets, dropped = struct.unpack("II", counts)
        if dropped or packets != self._packets:
            raise MissedPacketsError(
                f"{packets} packets came and {self._packets} were read, {dropped} were dropped for want of room:"
                " nothing can be said of these arrivals"
            )

    def _drain_until_end(self) -> None:
        while not self._end.wait(_EVERY_SECONDS):
            self._drain()

    def _drain(self) -> None:
        receive, stamp_bytes = self._tap.recvmsg, socket.CMSG_SPACE(_TIMESPEC.size)
        while True:
            try:
                packet, ((_, _, stamp),), _, _ = receive(_HEADERS_BYTES, stamp_bytes, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            self._packets += 1
            seconds, nanoseconds = _TIMESPEC.unpack(stamp)
            tcp = 4 * (packet[0] & 0xF)
            # addresses, ports and the sequence number: they tell a packet sent again from a port used again
            key = packet[12:20] + packet[tcp : tcp + 8]
            if key in self._asked:
                self.repeated += 1
            else:
                port = int.from_bytes(packet[tcp : tcp + 2], "big")
                self._asked[key] = Connection(seconds + nanoseconds / 1e9, port)


@contextmanager
def watched(port: int, *, interface: str = "lo", host: Host | None = None) -> Iterator[Wire]:
    """Watch a port, on this machine or on a host of a test bed; what has arrived can be read after the block.

    Raise MissedPacketsError at its end if the record has holes.
    """
    wire = Wire(port, interface, host)
    try:
        yield wire
    finally:
        wire.close()


def _packet_socket(host: Host | None) -> socket.socket:
    """Open a packet socket that starts at the IP header and, until it is bound, sees nothing."""
    if host is None:
        return socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
    opened: list[socket.socket] = []
    failed: list[OSError] = []

    def open_there() -> None:
        try:
            _enter(host.namespace)
            opened.append(_packet_socket(None))
        except OSError as error:
            failed.append(error)

    # a thread has a network namespace of its own, and takes it with it when it ends
    thread = threading.Thread(target=open_there)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return opened[0]


def _enter(namespace: str) -> None:
    """Bring this thread into a network namespace."""
    library = ctypes.CDLL(None, use_errno=True)
    number = os.open(f"/run/netns/{namespace}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if library.setns(number, _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), namespace)
    finally:
        os.close(number)


def _attach_filter(tap: socket.socket, port: int) -> None:
    """Let only packets through that ask for a connection to the port (Linux's networking/filter document, BPF)."""
    drop, take = 10, 11
    program = (
        (0x30, 0, 0, 9),  # the protocol
        (0x15, 0, drop - 2, socket.IPPROTO_TCP),
        (0x28, 0, 0, 6),  # the place of a fragment
        (0x45, drop - 4, 0, 0x1FFF),
        (0xB1, 0, 0, 0),  # x: where TCP's header begins
        (0x48, 0, 0, 2),  # x + 2: the port
        (0x15, 0, drop - 7, port),
        (0x50, 0, 0, 13),  # x + 13: the flags, of them ACK and SYN
        (0x54, 0, 0, 0x12),
        (0x15, take - 10, drop - 10, 0x02),
        (0x06, 0, 0, 0),
        (0x06, 0, 0, _HEADERS_BYTES),
    )
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in program))
    tap.setsockopt(
        socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", len(program), ctypes.addressof(code))
    )
