"""One Locust run whose arrivals are watched from the outside, on the wire."""

from __future__ import annotations

import contextlib
import os
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import psutil

from swarm_ext import histogram
from tests.integration.bench import LOCUSTFILES, PATIENCE_SECONDS, LocustProcess, slow_server
from tests.integration.wire import watched

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from swarm_ext.model import Totals
    from tests.arrival_statistics import Floats
    from tests.integration.bench import SlowServer
    from tests.integration.wire import Wire

ATTEMPTS = 3
STARVED_SECONDS = 0.003
"""A schedule lag whose p99 is above tells that the generator did not get its share of the CPU. Undisturbed it is some
0.3 ms up to 1,000 arrivals/s, and 1 to 3 ms at 5,000/s, with the server beside it."""


@dataclass(frozen=True)
class Asked:
    """A run: arrivals/s of all users together, whose judged ones span `seconds`, after `settle_seconds`."""

    rate: float
    users: int
    service: float | str
    """The server's, in seconds, or a law: see slow_server.py."""
    seconds: int
    settle_seconds: int = 1
    locustfile: Path = LOCUSTFILES / "poisson.py"
    options: tuple[str, ...] = ()
    seed: int = 10
    """Here those are taken whose schedule itself is rejected by no test even at 15 %: what comes near to being rejected
    comes from how it was kept."""

    def command(self, url: str) -> list[str]:
        """Return Locust's options; those of this run have the last word."""
        length = self.settle_seconds + self.seconds + 1
        return [
            "--headless", "--only-summary", "-H", url, "-u", str(self.users), "-r", "1000", "-s", "2", "-t", str(length),
            "--seed", str(self.seed), "--lamb", str(self.rate / self.users), "--max-in-flight", "5000", *self.options,
        ]  # fmt: skip


@dataclass(frozen=True)
class Seen:
    """What was seen: all arrivals, and those to be judged, in seconds since `begin`; and what the run says of itself."""

    every: Floats
    judged: Floats
    streams: dict[str, Floats]
    """The arrivals of each path, from the first on."""
    totals: Totals
    requests: int

    @property
    def complete(self) -> bool:
        """Whether each arrival that the run counts was on the wire once, and at the server, and none failed."""
        lost = self.totals.failed + self.totals.dropped
        return not lost and len(self.every) == self.totals.offered == self.requests

    @property
    def lag_p99(self) -> float:
        return histogram.quantile(self.totals.schedule_lags, 0.99) or 0.0


def observe(folder: Path, asked: Asked, rejected: Callable[[Seen], Mapping[str, float]]) -> Seen:
    """Run it; run it again, twice at most and with a word, if some test rejects it or it has lost arrivals, and was starved.

    Its own schedule lag tells whether it was. What the last attempt saw is judged in any case: a generator that always lags
    so much does not pass for it.
    """
    for attempt in range(1, ATTEMPTS + 1):
        here = folder / f"attempt-{attempt}"
        here.mkdir(parents=True)
        seen = _observe_once(here, asked)
        print(
            f"attempt {attempt} of at most {ATTEMPTS}: schedule lag p99 {seen.lag_p99 * 1e3:.2f} ms, {asked}"
        )
        if seen.lag_p99 <= STARVED_SECONDS or (seen.complete and not rejected(seen)):
            break
    return seen


def _observe_once(folder: Path, asked: Asked) -> Seen:
    with slow_server(folder, asked.service) as server:
        with watched(server.port) as wire:
            locust = LocustProcess(folder, asked.locustfile, *asked.command(server.url))
            _favour(locust, server, wire)
            ended = locust.end()
        assert ended.code == 0, ended.output
        every = np.array([packet.at for packet in wire.packets])
        begin = every[0] + asked.settle_seconds
        since = every - begin
        judged = since[(since >= 0) & (since < asked.seconds)]
        assert since[-1] >= asked.seconds, "the run ended before its arrivals to be judged did"
        return Seen(since, judged, _streams(wire, server), ended.totals(), len(server.requests()))


def _favour(locust: LocustProcess, server: SlowServer, wire: Wire) -> None:
    """Let generator and server run when they want to, whatever else this machine does, once arrivals have begun.

    It is the generator's schedule that is judged here, not the machine's; and a server that was held up answers all at once
    then, which is work for the generator. Where this is not allowed, it goes on without.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not wire.packets and locust.process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    with contextlib.suppress(PermissionError, ProcessLookupError, psutil.NoSuchProcess):
        workers = [process.pid for process in locust.descendants()]
        for pid in (server.pid, locust.process.pid, *workers):
            os.sched_setscheduler(pid, os.SCHED_RR, os.sched_param(1))


def _streams(wire: Wire, server: SlowServer) -> dict[str, Floats]:
    """Return when the arrivals of each path came: the server knows the path, the wire the time, and both the port."""
    of_port: defaultdict[int, list[str]] = defaultdict(list)
    for request in server.requests():
        of_port[request.port].append(request.path)
    paths = {port: iter(asked) for port, asked in of_port.items()}
    found: defaultdict[str, list[float]] = defaultdict(list)
    for packet in wire.packets:
        found[next(paths[packet.port])].append(packet.at)
    return {path: np.array(instants) for path, instants in found.items()}
