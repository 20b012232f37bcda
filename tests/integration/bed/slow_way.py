"""A slow and lossy way between a host and its bridge, for kernels without netem: a program that delays and drops frames.

Usage: slow_way.py OUTER INNER DELAY_SECONDS JITTER_SECONDS LOSS SEED. Makes the two TAP devices of these names and
carries frames from each to the other; they vanish with it. Says `ready`.

As on a real way, frames stay in order, and each direction has its own queue. The delay of a frame is uniform in DELAY ±
JITTER, and it is lost with probability LOSS.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import select
import signal
import struct
import sys
import time
from collections import deque

_TUNSETIFF = 0x400454CA
_TAP_WITHOUT_HEADER = 0x0002 | 0x1000
_LARGEST_FRAME = 65536
_AT_MOST_SECONDS = 900.0


class Way:
    """One direction: what is under way, and when it is there."""

    def __init__(
        self, *, delay_seconds: float, jitter_seconds: float, loss: float, chance: random.Random
    ) -> None:
        self._delay, self._jitter, self._loss, self._chance = delay_seconds, jitter_seconds, loss, chance
        self._frames: deque[tuple[float, bytes]] = deque()
        self._last = 0.0

    def send(self, frame: bytes, now: float) -> None:
        if self._chance.random() < self._loss:
            return
        due = now + self._delay + self._jitter * self._chance.uniform(-1, 1)
        self._last = max(self._last, due)
        self._frames.append((self._last, frame))

    def arrived(self, now: float) -> list[bytes]:
        frames = []
        while self._frames and self._frames[0][0] <= now:
            frames.append(self._frames.popleft()[1])
        return frames

    @property
    def next_due(self) -> float:
        return self._frames[0][0] if self._frames else float("inf")


def tap(name: str) -> int:
    """Make a TAP device; return its descriptor, from which frames are read and to which they are written."""
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _TAP_WITHOUT_HEADER))
    return device


def carry(outer: int, inner: int, ways: dict[int, Way]) -> None:
    """Carry frames between two devices; `ways` by the device that they come from."""
    other = {outer: inner, inner: outer}
    until = time.monotonic() + _AT_MOST_SECONDS
    while (now := time.monotonic()) < until:
        for source, way in ways.items():
            for frame in way.arrived(now):
                with contextlib.suppress(OSError):  # a device that is down takes nothing
                    os.write(other[source], frame)
        pause = min(way.next_due for way in ways.values()) - time.monotonic()
        for source in select.select(list(ways), [], [], min(1.0, max(0.0, pause)))[0]:
            ways[source].send(os.read(source, _LARGEST_FRAME), time.monotonic())


def main(outer_name: str, inner_name: str, delay: float, jitter: float, loss: float, seed: int) -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    outer, inner = tap(outer_name), tap(inner_name)
    chance = random.Random(seed)
    ways = {
        device: Way(delay_seconds=delay, jitter_seconds=jitter, loss=loss, chance=chance)
        for device in (outer, inner)
    }
    print("ready", flush=True)
    carry(outer, inner, ways)


if __name__ == "__main__":
    delay, jitter, loss = map(float, sys.argv[3:6])
    main(sys.argv[1], sys.argv[2], delay, jitter, loss, int(sys.argv[6]))
