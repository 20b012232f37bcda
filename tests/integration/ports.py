"""Free loopback ports for the servers of a test."""

import contextlib
import random
import socket

_PORTS = range(20_000, 32_000)
"""Below those that the system gives to outgoing connections: one of these could take a port before its server does."""


def free_port() -> int:
    for port in random.SystemRandom().sample(_PORTS, 100):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError(f"100 ports tried in {_PORTS}, and none is free")
