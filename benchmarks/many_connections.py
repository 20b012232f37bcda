"""Make 5,000 new connections/s for a minute to one address and port of another network host: `python -m benchmarks.many_connections`.

The host is a network namespace of this machine, so it needs root. Told are errors, and how many local ports were held by
connections that have ended (TIME-WAIT).
"""

from __future__ import annotations

import argparse
import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from benchmarks import results
from benchmarks.bed import Bed
from benchmarks.generators import ours
from benchmarks.pinned import keep_off_the_generator, require
from benchmarks.server import nginx
from benchmarks.slices import Mode
from benchmarks.tcp_table import TIME_WAIT, states_towards
from tests.integration.bed.network import Network
from tests.integration.bed.shell import BedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.slices import Slice
    from tests.integration.bed.network import Host

EVERY_SECONDS = 2.0


@contextmanager
def another_host() -> Iterator[Host]:
    """Yield a host in a network namespace; exit if there can be none."""
    try:
        network = Network()
    except BedError as error:
        raise SystemExit(f"no network namespace: {error}") from None
    try:
        yield network.add("server")
    finally:
        network.down()


@contextmanager
def ports_held(url: str) -> Iterator[list[int]]:
    """Yield a list that grows while the block runs: how many local ports are in TIME-WAIT towards the server."""
    server, over, held = urlsplit(url), threading.Event(), [0]

    def watch() -> None:
        while not over.wait(EVERY_SECONDS):
            held.append(states_towards(server.hostname or "", server.port or 80)[TIME_WAIT])

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield held
    finally:
        over.set()
        watcher.join()


def main() -> None:
    """Make the connections."""
    parser = argparse.ArgumentParser(description="Make very many new connections to one address and port.")
    parser.add_argument("--rate", type=int, default=5000, help="connections/s (default: %(default)s)")
    parser.add_argument("--seconds", type=int, default=60, help="for so long (default: %(default)s)")
    results.add_results_option(parser)
    chosen = parser.parse_args()
    require("nginx", "taskset", "ip", "nsenter")
    if os.geteuid() != 0:
        raise SystemExit("network namespaces are for root only: run this as root")
    with results.recorded("many_connections", chosen.results) as figures, another_host() as host:
        keep_off_the_generator()
        with nginx(host.address, on_host=host.command) as url, ports_held(url) as held:
            measured = ours.run(Bed(url, "", chosen.seconds), Mode.NEW, chosen.rate)
            figures.update(told(chosen.seconds, measured, held))
    results.progress(figures)


def told(seconds: int, measured: Slice, held: list[int]) -> dict[str, Any]:
    """Return the figures."""
    return {"seconds": seconds, "time_wait_most": max(held), **msgspec.to_builtins(measured)}


if __name__ == "__main__":
    main()
