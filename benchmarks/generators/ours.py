"""This project's generator, as a user runs it: Poisson arrivals of one ArrivalUser, everything stored."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import msgspec

from benchmarks.bed import CLIENTS, Bed, slice_folder
from benchmarks.generators.locust_process import run_locust
from benchmarks.slices import Mode, Slice
from swarm_ext import histogram
from swarm_ext.store import open_store

if TYPE_CHECKING:
    from pathlib import Path

    from swarm_ext.model import Totals


def sampled(bed: Bed, mode: Mode, rate: float | None) -> Slice:
    """Run a slice with the sampler on: 50 containers at 1 Hz."""
    return run(bed, mode, rate, "--cadvisor", bed.cadvisor_url)


def unsampled(bed: Bed, mode: Mode, rate: float | None) -> Slice:
    """Run a slice with the sampler off; the load's own figures are stored all the same."""
    return run(bed, mode, rate)


def constant(bed: Bed, mode: Mode, rate: float) -> Slice:
    """Run a slice of constant gaps with the sampler on, so that a server can tell what is late."""
    return run(bed, mode, rate, "--cadvisor", bed.cadvisor_url, user="Metronome")


def run(
    bed: Bed,
    mode: Mode,
    rate: float | None,
    *options: str,
    locustfile: str = "ours.py",
    user: str = "Visitor",
) -> Slice:
    """Run a slice of one of the locustfile's users: as many arrivals as the slice is to have; None: a closed loop.

    The lateness is the schedule lag of the run's own totals, from its first arrival on.
    """
    # ended by a count, so that it is the same number of arrivals whatever the start-up takes
    load: tuple[str, ...] = ("Rusher", "-u", str(CLIENTS))
    seconds = bed.seconds
    if rate is not None:
        load = (user, "-u", "1", "--lamb", f"{rate:.3f}", "--iter", str(round(rate * bed.seconds)))
        seconds *= 2
    with slice_folder() as folder:
        store = f"sqlite:///{folder}/runs.db"
        connection = ("--keep-alive",) if mode is Mode.KEPT else ()
        common = ("-H", bed.url, "--store", store, *connection, *options)
        told, _ = run_locust(
            folder, locustfile, *load, *common, seconds=seconds, BENCH_RATE=f"{rate or 1:.3f}"
        )
        totals = _totals(folder / "runs.db")
    return msgspec.structs.replace(
        told,
        asked=rate,
        errors=totals.failed + totals.abandoned,
        dropped=totals.dropped,
        late_p50_seconds=histogram.quantile(totals.schedule_lags, 0.5),
        late_p99_seconds=histogram.quantile(totals.schedule_lags, 0.99),
    )


def _totals(path: Path) -> Totals:
    with closing(open_store(f"sqlite:///{path}", must_exist=True)) as store:
        totals = store.run("latest").totals
    if totals is None:
        raise SystemExit("the run was not stored to its end")
    return totals
