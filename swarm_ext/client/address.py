"""Where a connection leads."""

from __future__ import annotations

import socket
from typing import Any, NamedTuple


class Address(NamedTuple):
    """One address to connect to; `sockaddr` is as the socket module has it."""

    family: int
    sockaddr: Any

    def __str__(self) -> str:
        host, port = self.sockaddr[:2]
        return f"[{host}]:{port}" if self.family == socket.AF_INET6 else f"{host}:{port}"
