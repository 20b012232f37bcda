"""Locust's own users, FastHttpUser and HttpUser, without anything of ours."""

from __future__ import annotations

from functools import partial

import msgspec

from benchmarks.bed import CLIENTS, Bed, slice_folder
from benchmarks.generators.locust_process import run_locust
from benchmarks.slices import Mode, Slice


def _run(bed: Bed, mode: Mode, rate: float | None, *, user: str) -> Slice:
    variables = {
        "BENCH_CONNECTION": "close" if mode is Mode.NEW else "keep-alive",
        "BENCH_RATE": f"{rate or 1:.3f}",
    }
    name = user if rate else f"{user}Rusher"
    with slice_folder() as folder:
        told, _ = run_locust(
            folder, "plain.py", name, "-H", bed.url, "-u", str(CLIENTS), seconds=bed.seconds, **variables
        )
    return msgspec.structs.replace(told, asked=rate)


fast = partial(_run, user="Fast")
"""A slice of Locust's fast client, which is geventhttpclient."""

plain = partial(_run, user="Plain")
"""A slice of Locust's usual client, which is requests."""
