"""How many of this machine's TCP connections to a server are in which state, from the kernel's table (proc(5)). IPv4."""

from __future__ import annotations

import socket
import struct
from collections import Counter
from pathlib import Path

ESTABLISHED, TIME_WAIT = 0x01, 0x06
TABLE = Path("/proc/net/tcp")


def states_towards(address: str, port: int, table: str | None = None) -> Counter[int]:
    """Return how many connections there are to an address and port, by state; `table` is the kernel's unless given."""
    (number,) = struct.unpack("=I", socket.inet_aton(address))
    remote = f"{number:08X}:{port:04X}"
    lines = (TABLE.read_text() if table is None else table).splitlines()[1:]
    fields = (line.split(maxsplit=4) for line in lines)
    return Counter(int(each[3], 16) for each in fields if each[2] == remote)
