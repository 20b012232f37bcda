"""The charts of a run on its time axis; those of load and response times are made here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import altair as alt

from reports import chart_parts as parts
from reports import container_charts, replica_chart, resample
from reports.chart_parts import DASHED, DOTTED, SOLID, Chart, Rows, Stroke

if TYPE_CHECKING:
    import pandas as pd

    from reports.figures import Figures
    from reports.frames import RunFrames
    from reports.theme import Theme
    from swarm_ext.slo import Slo

LOG_RATIO = 30
"""Response times are drawn on a logarithmic axis if the highest p99 is more than this many times the lowest p50."""
DECADES = [10.0**k for k in range(-3, 9)]
"""Where that axis has its lines [ms]: without this there are nine to a decade."""


def timeline(frames: RunFrames, figures: Figures, theme: Theme) -> list[Chart]:
    """Return the charts that share the run's time axis, in the order in which they are read; only those with data."""
    charts = []
    if not frames.load.empty:
        seconds = resample.width(frames.end - frames.start)
        slo = figures.slo.slo if figures.slo else None
        bins = resample.load_bins(frames.load, seconds, slo)
        charts += [_load(frames, bins, seconds, theme), _response(frames, bins, seconds, slo, theme)]
    if not frames.containers.empty:
        charts += container_charts.all_containers(frames, theme)
    if not frames.services.empty or not frames.decisions.empty:
        charts.append(replica_chart.replicas(frames, figures.service, theme))
    return charts


def _every(seconds: int) -> str:
    return "second by second" if seconds == 1 else f"each point is the mean over {seconds} s"


def _load(frames: RunFrames, bins: pd.DataFrame, seconds: int, theme: Theme) -> Chart:
    y = alt.Y(title="arrivals/s", scale=alt.Scale(zero=True))
    strokes = [
        Stroke("asked", "asked (λ)", theme.ink, DASHED, 1.5, "step-after"),
        Stroke("offered", "offered", theme.blue, SOLID, at="middle"),
        Stroke("completed", "completed", theme.green, SOLID, 1.5, at="middle"),
        Stroke("failed", "failed", theme.red, SOLID, at="middle"),
        Stroke("lost", "dropped or abandoned", theme.purple, DOTTED, at="middle"),
    ]
    values = [(stroke.field, stroke.name, ".1f") for stroke in strokes]
    bands, phases = parts.phases(frames, theme)
    layers = bands
    about = f"What was offered and what became of it, {_every(seconds)}."
    if seconds > 1:
        layers.append(_up_to("offered", "offered_max", frames, y, theme.blue))
        values.append(("offered_max", "offered, highest second", ".0f"))
        about += " The light band reaches up to the highest second."
    layers += parts.lines("load", strokes, frames, y)
    layers.append(parts.under_pointer("load", frames, theme, values))
    description = "Arrivals per second over time: offered, completed, failed, and asked for."
    spec = parts.finished(layers, theme, description=description)
    return Chart("load", "Load", about, description, spec, {"load": parts.rows(bins), "phases": phases})


def _up_to(low: str, high: str, frames: RunFrames, y: alt.Y, color: str) -> alt.Chart:
    band: alt.Chart = (
        alt.Chart(alt.NamedData("load"))
        .mark_area(fill=color, opacity=0.2, line=False, clip=True)
        .encode(x=parts.time(frames, "middle"), y=parts.with_field(y, low), y2=f"{high}:Q")
    )
    return band


def _response(frames: RunFrames, bins: pd.DataFrame, seconds: int, slo: Slo | None, theme: Theme) -> Chart:
    strokes = [
        Stroke("p50", "p50", theme.sky, SOLID, at="middle"),
        Stroke("p95", "p95", theme.blue, SOLID, at="middle"),
        Stroke("p99", "p99", theme.purple, DOTTED, at="middle"),
    ]
    logarithmic = bool(bins["p99"].max() > LOG_RATIO * bins["p50"].min())
    y = alt.Y(title="ms", scale=alt.Scale(zero=True))
    if logarithmic:
        y = alt.Y(
            title="ms, logarithmic", scale=alt.Scale(type="log", nice=True), axis=alt.Axis(values=DECADES)
        )
    bands, phases = parts.phases(frames, theme)
    datasets: dict[str, Rows] = {"load": parts.rows(bins), "phases": phases}
    values = [(name, f"{name} [ms]", ",.0f") for name in ("p50", "p95", "p99")]
    layers = bands
    measured = "second by second" if seconds == 1 else f"over {seconds} s each"
    about = f"How long requests took, of those that ended in it, {measured}."
    if slo:
        layers.append(_violations(frames, theme))
        values.append(("violated", "seconds in violation", ".0f"))
        about += f" Marked at the foot: seconds in violation of the SLO, {slo.share:.12g} within {slo.limit}."
        about = about.replace(f"{slo.share:.12g}", f"{slo.share * 100:.12g} %")
    layers += parts.lines("load", strokes, frames, y)
    if slo:
        layers += parts.level("slo", "ms", "label", theme)
        datasets["slo"] = [{"ms": slo.limit_seconds * resample.MILLISECONDS, "label": f"SLO {slo.limit}"}]
    layers.append(parts.under_pointer("load", frames, theme, values))
    description = "Response times over time in milliseconds: the 50th, 95th and 99th percentile."
    spec = parts.finished(layers, theme, description=description)
    return Chart("response", "Response time", about, description, spec, datasets)


def _violations(frames: RunFrames, theme: Theme) -> alt.Chart:
    marks: alt.Chart = (
        alt.Chart(alt.NamedData("load"))
        .transform_filter("datum.violated > 0")
        .mark_rect(fill=theme.red, aria=False, clip=True)
        .encode(x=parts.time(frames), x2="end:Q", y=alt.value("height"), y2=alt.value(213))
    )
    return marks
