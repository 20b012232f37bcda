"""As many points as a chart can show, from as many seconds as a run had. Pure.

A run of some minutes is shown second by second. A longer one is shown in bins, each with its mean and its highest value, so
that a peak of one second is not lost; response times keep exact quantiles, because histograms add up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from reports import load_figures
from swarm_ext import histogram

if TYPE_CHECKING:
    from swarm_ext.slo import Slo

WIDTHS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600)
"""Widths of a bin in seconds."""
POINTS = 600
"""Points of one line."""
ROWS = 30_000
"""Points of all lines of a chart together."""
GAP_SECONDS = 5.0
"""A series without a point for longer than this (or three bins) is not joined by a line."""

MILLISECONDS = 1e3


def width(span_seconds: float, series: int = 1) -> int:
    """Return the width of a bin [s] with which `series` lines over a span have no more points than a chart can show."""
    points = max(10, min(POINTS, ROWS // max(1, series)))
    return next((w for w in WIDTHS if span_seconds / w <= points), int(span_seconds // points) + 1)


def load_bins(load: pd.DataFrame, seconds: int, slo: Slo | None) -> pd.DataFrame:
    """Return the load in bins of so many seconds.

    Columns: t (begin), end, middle; asked, offered, completed, failed, lost [1/s, means]; offered_max (the highest
    second); p50, p95, p99 [ms]; violated (seconds of the bin in violation, the warm-up apart).
    """
    violated = np.array(load_figures.violations(load, slo) if slo else [False] * len(load), dtype=bool)
    table = load.assign(violated=violated & (load["phase"] != "warm-up"))
    first = float(load["t"].iloc[0]) if len(load) else 0.0
    rows = []
    for number, part in table.groupby(np.floor((table["t"] - first) / seconds).astype(int)):
        times = histogram.merge(part["response_times"])
        begin = first + float(np.asarray(number)) * seconds
        quantiles = {
            name: histogram.quantile(times, q) for name, q in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
        }
        rows.append(
            {
                "t": begin,
                "end": begin + seconds,
                "middle": begin + seconds / 2,
                "asked": part["asked_rate"].astype(float).mean(),
                **{name: part[name].mean() for name in ("offered", "completed", "failed", "lost")},
                "offered_max": part["offered"].max(),
                "violated": int(part["violated"].sum()),
                **{name: None if q is None else q * MILLISECONDS for name, q in quantiles.items()},
            }
        )
    names = (
        "t",
        "end",
        "middle",
        "asked",
        "offered",
        "completed",
        "failed",
        "lost",
        "offered_max",
        "violated",
    )
    return pd.DataFrame(rows, columns=[*names, "p50", "p95", "p99"])


def container_bins(containers: pd.DataFrame, seconds: int) -> pd.DataFrame:
    """Return each container's points, in bins if they are longer than a second: container, t, cores, cores_max, memory_mb.

    `cores` is a bin's mean, `cores_max` and `memory_mb` are its highest. Where a series pauses, a row without values
    keeps a line from bridging the gap.
    """
    names = ["container", "t", "cores", "memory_mb"]
    table = containers[names].assign(cores_max=containers["cores"])
    if seconds > 1:
        middle = (np.floor(table["t"] / seconds) + 0.5) * seconds
        table = (
            table.assign(t=middle)
            .groupby(["container", "t"], sort=False, as_index=False)
            .agg({"cores": "mean", "memory_mb": "max", "cores_max": "max"})
        )
    pause = table.groupby("container", sort=False)["t"].diff() > max(GAP_SECONDS, 3 * seconds)
    breaks = table.loc[pause, ["container", "t"]].assign(t=lambda rows: rows["t"] - 0.001)
    if breaks.empty:
        return table
    return pd.concat([table, breaks]).sort_values("t", kind="stable", ignore_index=True)


def changes(service: pd.DataFrame, end: float) -> pd.DataFrame:
    """Return a service's counts where they changed: t, end (of the state), desired, running, ready."""
    counts = service[["desired", "running", "ready"]]
    table = service[(counts != counts.shift()).any(axis=1)][["t", "desired", "running", "ready"]]
    return table.assign(
        end=table["t"].shift(-1).fillna(max(end, float(service["t"].max() if len(service) else 0)))
    )


def thinned(table: pd.DataFrame, most: int) -> pd.DataFrame:
    """Return at most so many rows, evenly spread over the table."""
    return table if len(table) <= most else table.iloc[np.linspace(0, len(table) - 1, most).astype(int)]
