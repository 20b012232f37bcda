"""How late requests come to the server, by the kernel's time stamps: one measure for all that promise constant gaps.

With a new connection each it is when they ask for the connection, with kept ones when they send the request. The first
second is left out: generators make their clients ready then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from benchmarks import results
from benchmarks.slices import Mode, lateness
from tests.integration.wire import CONNECTION, REQUEST, MissedPacketsError, lacking, watched

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.bed import Bed
    from benchmarks.slices import Slice

SETTLE_SECONDS = 1.0
_SIGNS = {Mode.NEW: CONNECTION, Mode.KEPT: REQUEST}


def seen_by_the_server(
    run: Callable[[Bed, Mode, float], Slice], bed: Bed, mode: Mode, rate: float
) -> tuple[Slice, list[float] | None]:
    """Run a slice; return it, and by how much its requests came late [s]: None without root, or if packets were missed."""
    if lacking():
        return run(bed, mode, rate), None
    try:
        with watched(urlsplit(bed.url).port or 80, sign=_SIGNS[mode]) as wire:
            measured = run(bed, mode, rate)
    except MissedPacketsError as error:
        results.progress(error)
        return measured, None
    starts = [packet.at for packet in wire.packets]
    return measured, lateness([at for at in starts if at >= starts[0] + SETTLE_SECONDS], rate)
