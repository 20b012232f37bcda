"""What became of the load: counts, response times, schedule lag, and the SLO second by second. Pure.

Counts are of the whole run, where offered = completed + failed + dropped + abandoned. Times, rates and the SLO are of the
load phase; a request that was still in flight at its end belongs to it, so what ends in the settling counts too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from swarm_ext import histogram

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd

    from swarm_ext.model import Totals
    from swarm_ext.slo import Slo

LATE_SECONDS = 0.05
"""A schedule lag whose p99 is above this means that the generator, not the service, was measured."""


_COUNTS = ("offered", "completed", "failed", "dropped", "abandoned")


@dataclass(frozen=True)
class Accounting:
    """What became of every arrival of the whole run. `final`: from the load's own totals, not summed from its samples."""

    offered: int
    completed: int
    failed: int
    dropped: int
    abandoned: int
    final: bool

    @property
    def unaccounted(self) -> int:
        """Arrivals offered whose end is not known: 0 for a run that ended properly."""
        return self.offered - self.completed - self.failed - self.dropped - self.abandoned


@dataclass(frozen=True)
class Durations:
    """Quantiles of durations in seconds, each within 1 %; None where nothing was measured."""

    count: int
    p50: float | None
    p95: float | None
    p99: float | None
    longest: float | None


@dataclass(frozen=True)
class SloFigures:
    """How the objective was met. A second is judged if arrivals ended in it.

    `silent_seconds` are those in which nothing ended although requests were in flight all along: nobody was served, but no
    arrival can be counted against it.
    """

    slo: Slo
    judged_seconds: int
    violated_seconds: int
    silent_seconds: int
    judged_arrivals: int
    good_arrivals: int

    @property
    def met_share(self) -> float | None:
        """The share of the judged seconds that were not in violation; None if there were none."""
        return 1 - self.violated_seconds / self.judged_seconds if self.judged_seconds else None


@dataclass(frozen=True)
class OfferedRate:
    """Arrivals in the load phase against those that its asked rates add up to (None for closed-loop load)."""

    seconds: int
    offered: int
    expected: float | None

    @property
    def measured(self) -> float:
        """Arrivals a second."""
        return self.offered / self.seconds if self.seconds else 0.0

    @property
    def asked(self) -> float | None:
        """The mean asked rate [1/s]."""
        return None if self.expected is None or not self.seconds else self.expected / self.seconds


def accounting(totals: Totals | None, load: pd.DataFrame) -> Accounting:
    """Return the whole run's counts: its totals, or where it was cut off before it had them, what its samples add up to."""
    if totals is None:
        counted = {name: int(load[name].sum()) for name in _COUNTS}
    else:
        counted = {name: getattr(totals, name) for name in _COUNTS}
    return Accounting(**counted, final=totals is not None)


def figures_part(load: pd.DataFrame) -> pd.DataFrame:
    """Return the seconds that the figures are of: all but the warm-up."""
    return load[load["phase"] != "warm-up"]


def durations(histograms: Iterable[Mapping[int, int]]) -> Durations:
    """Return the quantiles of merged histograms."""
    merged = histogram.merge(histograms)
    return Durations(
        count=histogram.count(merged),
        p50=histogram.quantile(merged, 0.50),
        p95=histogram.quantile(merged, 0.95),
        p99=histogram.quantile(merged, 0.99),
        longest=histogram.quantile(merged, 1.0),
    )


def good_arrivals(load: pd.DataFrame, limit_seconds: float) -> list[int]:
    """Return for each second how many arrivals that ended in it were answered, without failure, within the limit."""
    return [histogram.within(times, limit_seconds) for times in load["response_times"]]


def ended_arrivals(load: pd.DataFrame) -> list[int]:
    """Return for each second how many arrivals ended in it, in whatever way."""
    return [int(n) for n in load["completed"] + load["failed"] + load["dropped"] + load["abandoned"]]


def violations(load: pd.DataFrame, slo: Slo) -> list[bool]:
    """Return for each second whether it is in violation: arrivals ended in it, and fewer than the share of them well."""
    return [
        ended > 0 and good < slo.share * ended - 1e-9
        for ended, good in zip(ended_arrivals(load), good_arrivals(load, slo.limit_seconds), strict=True)
    ]


def slo_figures(load: pd.DataFrame, slo: Slo) -> SloFigures:
    """Judge each second of the load (without the warm-up) by the objective."""
    part = figures_part(load)
    ended = ended_arrivals(part)
    waiting = part["in_flight"].tolist()
    before = [0, *waiting][: len(waiting)]
    return SloFigures(
        slo=slo,
        judged_seconds=sum(n > 0 for n in ended),
        violated_seconds=sum(violations(part, slo)),
        silent_seconds=sum(
            not n and then > 0 and now > 0 for n, then, now in zip(ended, before, waiting, strict=True)
        ),
        judged_arrivals=sum(ended),
        good_arrivals=sum(good_arrivals(part, slo.limit_seconds)),
    )


def offered_rate(load: pd.DataFrame) -> OfferedRate:
    """Return arrivals against the asked rate, over the whole seconds of the load phase.

    The asked rate is known at each second's end, so a second's is the mean of both its ends. The first second, in which
    the load began, and a last one at whose end nobody was left are in part without load: they are not counted.
    """
    part = load[load["phase"] == "load"]
    ends = part["asked_rate"].astype(float)
    whole = part.assign(asked=(ends + ends.shift()) / 2).iloc[1:]
    if len(whole) and whole["users"].iloc[-1] == 0:
        whole = whole.iloc[:-1]
    expected = None if whole["asked"].isna().all() else float(whole["asked"].sum())
    return OfferedRate(len(whole), int(whole["offered"].sum()), expected)


def lag(load: pd.DataFrame, longest: float | None) -> Durations:
    """Return the quantiles of the schedule lag, with the longest as the load itself measured it."""
    measured = durations(load["schedule_lags"])
    return replace(measured, longest=measured.longest if longest is None else longest)


def longest_lag(load: pd.DataFrame, totals: Totals | None) -> float | None:
    """Return the longest schedule lag of the whole run in seconds, exactly; None if nothing was measured."""
    if totals is not None and totals.schedule_lag_max_seconds is not None:
        return totals.schedule_lag_max_seconds
    longest = float(load["schedule_lag_max_seconds"].astype(float).max())
    return None if math.isnan(longest) else longest
