"""When connections or requests arrive at a TCP port, by the kernel's clock: what a generator offers, seen from outside.

A server's own clock would say when it got round to looking. A packet socket (`packet(7)`) gets a copy of each packet that
bears a sign (SYN without ACK asks for a connection, PSH ends what was sent at once) as it comes in from the interface,
before TCP sees it, and the kernel's time stamp with it. A thread collects the copies now and then; when it does so is
of no matter.

It needs root, and IPv4. The clock is the system's real-time clock: fine for gaps, unless somebody sets it meanwhile.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import threading
import time
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
_PROBE_SECONDS, _STAMPED_SECONDS = 0.002, 10.0


class MissedPacketsError(AssertionError):
    """The record has holes: nothing can be said of the arrivals."""


class Packet(NamedTuple):
    """A packet that was looked for: when it arrived, in seconds since the Epoch, and from which port."""

    at: float
    port: int


class Sign(NamedTuple):
    """What tells a packet that is looked for: those of TCP's flags that are in `mask` must be `value` (RFC 9293, 3.1)."""

    mask: int
    value: int


_SYN, _PSH, _ACK = 0x02, 0x08, 0x10
CONNECTION = Sign(_SYN | _ACK, _SYN)
"""Each attempt to connect."""
REQUEST = Sign(_SYN | _PSH, _PSH)
"""Each request that its client sends in one piece, which a system then pushes."""


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
    """The packets of a sign that arrive at one port through one interface, each once, however often it was sent."""

    def __init__(self, port: int, interface: str, host: Host | None, sign: Sign = CONNECTION) -> None:
        self._tap = _packet_socket(host)
        try:
            self._tap.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_BYTES)
            self._tap.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
            _wait_for_stamps()
            _attach_filter(self._tap, port, sign)
            self._tap.bind((interface, _ETH_P_IP))  # from here on, not before, are there any packets
        except BaseException:
            self._tap.close()
            raise
        self._seen: dict[bytes, Packet] = {}
        self._read = 0
        self.repeated = 0
        """How many packets were sent again, as they were not answered in time."""
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._drain_until_end, name=f"wire-{port}", daemon=True)
        self._thread.start()

    @property
    def packets(self) -> list[Packet]:
        """What has arrived so far, in order. Complete once the wire is closed."""
        return sorted(self._seen.values())

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
        if dropped or packets != self._read:
            raise MissedPacketsError(
                f"{packets} packets came and {self._read} were read, {dropped} were dropped for want of room:"
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
            self._read += 1
            seconds, nanoseconds = _TIMESPEC.unpack(stamp)
            tcp = 4 * (packet[0] & 0xF)
            # addresses, ports and the sequence number: they tell a packet sent again from a port used again
            key = packet[12:20] + packet[tcp : tcp + 8]
            if key in self._seen:
                self.repeated += 1
            else:
                port = int.from_bytes(packet[tcp : tcp + 2], "big")
                self._seen[key] = Packet(seconds + nanoseconds / 1e9, port)


@contextmanager
def watched(
    port: int, *, sign: Sign = CONNECTION, interface: str = "lo", host: Host | None = None
) -> Iterator[Wire]:
    """Watch a port, on this machine or on a host of a test bed; what has arrived can be read after the block.

    Raise MissedPacketsError at its end if the record has holes.
    """
    wire = Wire(port, interface, host, sign)
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


def _wait_for_stamps() -> None:
    """Wait until packets are stamped when they come in.

    The system begins with that a while after the first socket has asked for it (`net_enable_timestamp` leaves it to a
    work queue), and stamps packets that came before when they are read.
    """
    deadline = time.monotonic() + _STAMPED_SECONDS
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        probe.bind(("127.0.0.1", 0))
        probe.settimeout(_STAMPED_SECONDS)
        while True:
            probe.sendto(b"x", probe.getsockname())
            sent = time.time_ns()
            time.sleep(_PROBE_SECONDS)
            ((_, _, stamp),) = probe.recvmsg(1, socket.CMSG_SPACE(_TIMESPEC.size))[1]
            seconds, nanoseconds = _TIMESPEC.unpack(stamp)
            if seconds * 1_000_000_000 + nanoseconds <= sent:
                return
            if time.monotonic() > deadline:
                raise MissedPacketsError(
                    f"packets are not stamped as they come in, {_STAMPED_SECONDS:g} s after that was asked for"
                )


def _enter(namespace: str) -> None:
    """Bring this thread into a network namespace."""
    library = ctypes.CDLL(None, use_errno=True)
    number = os.open(f"/run/netns/{namespace}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if library.setns(number, _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), namespace)
    finally:
        os.close(number)


def _attach_filter(tap: socket.socket, port: int, sign: Sign) -> None:
    """Let only packets of the sign to the port through (Linux's networking/filter document, BPF)."""
    drop, take = 10, 11
    program = (
        (0x30, 0, 0, 9),  # the protocol
        (0x15, 0, drop - 2, socket.IPPROTO_TCP),
        (0x28, 0, 0, 6),  # the place of a fragment
        (0x45, drop - 4, 0, 0x1FFF),
        (0xB1, 0, 0, 0),  # x: where TCP's header begins
        (0x48, 0, 0, 2),  # x + 2: the port
        (0x15, 0, drop - 7, port),
        (0x50, 0, 0, 13),  # x + 13: the flags
        (0x54, 0, 0, sign.mask),
        (0x15, take - 10, drop - 10, sign.value),
        (0x06, 0, 0, 0),
        (0x06, 0, 0, _HEADERS_BYTES),
    )
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in program))
    tap.setsockopt(
        socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", len(program), ctypes.addressof(code))
    )
