"""What a run was, in a few lines for a terminal. Pure: a Run in, text out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swarm_ext import histogram
from swarm_ext.arrivals.check import rate_test
from swarm_ext.clock_words import clock_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from swarm_ext.model import LoadSample, Run, ServiceSample, Totals

BOTTLENECK_LAG_SECONDS = 0.05
"""A schedule lag p99 above this says that the generator could not keep its schedule: its figures are not valid."""


def generator_was_the_bottleneck(totals: Totals) -> bool:
    """Return whether arrivals began so late that the run's figures tell of the generator instead of the service."""
    lag = histogram.quantile(totals.schedule_lags, 0.99)
    return lag is not None and lag > BOTTLENECK_LAG_SECONDS


def progress(load: LoadSample | None, service: ServiceSample | None, elapsed_seconds: float) -> str:
    """Return one line on how the run is going."""
    parts = [f"{elapsed_seconds:5.0f} s"]
    if load is not None:
        asked = "" if load.asked_rate is None else f" of {load.asked_rate:.1f}/s asked"
        parts.append(f"offered {load.offered}/s{asked}")
        parts.append(
            f"completed {load.completed}, failed {load.failed + load.dropped}, in flight {load.in_flight}"
        )
        parts.append(f"p99 {_duration(load.response_time_p99_seconds)}")
    if service is not None:
        parts.append(f"{service.service} {service.ready} of {service.desired} ready")
    return " | ".join(parts)


def summary(run: Run, replicas: Sequence[tuple[float, int]] = ()) -> str:
    """Return the run's figures and warnings. `replicas`: (seconds since the start, desired) at each change."""
    totals = run.totals
    if totals is None:
        return f"Run {run.id}: nothing was measured"
    response = [_duration(histogram.quantile(totals.response_times, q)) for q in (0.5, 0.95, 0.99)]
    lines = [
        f"Run {run.id} {run.exit_status}",
        f"  arrivals       {run.arrival_process.description if run.arrival_process else 'none'}",
        (
            f"  offered        {totals.offered} = {totals.completed} completed + {totals.failed} failed"
            f" + {totals.dropped} dropped + {totals.abandoned} abandoned"
        ),
        f"  rate           {_rate(run)}",
        f"  response time  p50 {response[0]}, p95 {response[1]}, p99 {response[2]}",
        f"  schedule lag   {_lag(run, totals)}",
    ]
    if run.worker_clocks:
        lines.append(f"  clocks         {clock_words(run.worker_clocks)} of the master's")
    if replicas:
        lines.append("  replicas       " + ", ".join(f"{count} at {at:.0f} s" for at, count in replicas))
    lines += [f"  WARNING        {warning}" for warning in warnings(run, totals)]
    return "\n".join(lines)


def warnings(run: Run, totals: Totals) -> list[str]:
    """Return what a reader of the figures must know, a line each, the worst first."""
    found = []
    if generator_was_the_bottleneck(totals):
        found.append(
            "THE GENERATOR WAS THE BOTTLENECK: arrivals began late, these figures are not valid; "
            "offer less from each process, or add workers"
        )
    if totals.dropped:
        found.append(
            f"{totals.dropped} arrivals were dropped because --max-in-flight were under way: "
            "the service did not keep up, or the bound is too low"
        )
    found += [f"{t.source}: {t.message} ({t.count}×)" for t in run.troubles]
    return found


def _rate(run: Run) -> str:
    check = run.arrival_check
    if (
        check is not None
        and check.expected is not None
        and run.arrival_process
        and run.arrival_process.recorded
    ):
        return f"{check.observed} of {check.expected:.0f} recorded arrivals that were due until the end"
    if check is not None and check.expected:
        share, noise = check.observed / check.expected, rate_test(check)
        sigmas = "" if noise is None else f" ({noise:+.1f} σ of chance)"
        expected = f"{check.observed} arrivals where {check.expected:.1f} were to be expected"
        return f"{share:.1%} of what was asked: {expected}{sigmas}"
    load = [span for span in run.phases if span.name != "settle"]
    if run.totals is None or not load or load[-1].end is None or load[-1].end == load[0].start:
        return "–"
    seconds = (load[-1].end - load[0].start).total_seconds()
    return f"{run.totals.offered / seconds:.2f}/s over {seconds:.1f} s"


def _lag(run: Run, totals: Totals) -> str:
    if run.arrival_process is not None and run.arrival_process.kind == "closed":
        return "– (closed-loop load has no schedule)"
    if not totals.schedule_lags:
        return "– (no arrival was started)"
    p50, p99 = (histogram.quantile(totals.schedule_lags, q) for q in (0.5, 0.99))
    return f"p50 {_duration(p50)}, p99 {_duration(p99)}, max {_duration(totals.schedule_lag_max_seconds)}"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    return f"{seconds * 1000:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"
