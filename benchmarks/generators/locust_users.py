"""Locust's own users, FastHttpUser and HttpUser, without anything of ours."""

from __future__ import annotations

from functools import partial

import msgspec

from benchmarks.bed import CLIENTS, Bed, slice_folder
from benchmarks.generators.locust_process import run_locust
from benchmarks.slices import Mode, Slice


def _run(bed: Bed, mode: Mode, rate: float | None, *, user: str, users: int = CLIENTS) -> Slice:
    variables = {
        "BENCH_CONNECTION": "close" if mode is Mode.NEW else "keep-alive",
        "BENCH_RATE": f"{rate or 1:.3f}",
    }
    name = user if rate else f"{user}Rusher"
    with slice_folder() as folder:
        told, _ = run_locust(
            folder, "plain.py", name, "-H", bed.url, "-u", str(users), seconds=bed.seconds, **variables
        )
    return msgspec.structs.replace(told, asked=rate)


def fast_open(bed: Bed, mode: Mode, rate: float | None) -> Slice:
    """Run a slice of Locust's fast client in an open loop; as fast as it goes it is that of `fast`."""
    return fast(bed, mode, rate) if rate is None else _run(bed, mode, rate, user="FastOpen", users=1)


fast = partial(_run, user="Fast")
"""A slice of Locust's fast client, which is geventhttpclient."""

plain = partial(_run, user="Plain")
"""A slice of Locust's usual client, which is requests."""
