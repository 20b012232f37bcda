"""The chart of replicas: what was asked for, what ran, what served, and each decision with its reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

import altair as alt
import pandas as pd

from reports import chart_parts as parts
from reports import resample
from reports.chart_parts import DASHED, SOLID, Chart, Rows, Stroke

if TYPE_CHECKING:
    from reports.frames import RunFrames
    from reports.theme import Theme

SHOWN_HOLDS = 400
"""Evaluations that changed nothing, of which at most this many are marked."""


def replicas(frames: RunFrames, service: str | None, theme: Theme) -> Chart:
    """Return the chart of a service's replicas: desired, running and ready, and the autoscaler's decisions."""
    states = resample.changes(frames.services[frames.services["service"] == service], frames.end)
    decisions = _decision_rows(frames.decisions[frames.decisions["service"] == service])
    most = max([1.0, *states["desired"], *states["running"], *(row["y"] for row in decisions)])
    y = alt.Y(
        title="replicas",
        scale=alt.Scale(domain=[0, most + 0.6], nice=False),
        axis=alt.Axis(format="d", tickMinStep=1),
    )
    strokes = [
        Stroke("desired", "desired", theme.ink, DASHED, 1.5, "step-after"),
        Stroke("running", "running", theme.blue, SOLID, 2.0, "step-after"),
        Stroke("ready", "ready", theme.green, SOLID, 5.0, "step-after"),
    ]
    bands, phases = parts.phases(frames, theme)
    values = [(stroke.field, stroke.name, "d") for stroke in strokes]
    layers = bands
    layers += parts.lines("replicas", strokes, frames, y)
    layers.append(parts.under_pointer("replicas", frames, theme, values))
    if decisions:
        layers.append(_decision_marks({row["kind"] for row in decisions}, frames, y, theme))
    about = "Replicas asked for, running and ready."
    if decisions:
        about += " Each mark is an evaluation by the autoscaler; point at it for its reason."
    rows = parts.rows(states)
    rows += [{**row, "t": row["end"]} for row in rows[-1:]]  # where the last step ends
    description = "Replicas over time: desired, running and ready, with the autoscaler's decisions."
    return Chart(
        "replicas",
        "Replicas",
        about,
        description,
        parts.finished(layers, theme, description=description, height=190),
        {"replicas": rows, "decisions": decisions, "phases": phases},
    )


def _decision_rows(decisions: pd.DataFrame) -> Rows:
    acted = decisions["applied"].notna() & (decisions["applied"] != decisions["before"])
    shown = pd.concat([decisions[acted], resample.thinned(decisions[~acted], SHOWN_HOLDS)]).sort_values("t")
    marks = []
    for row in parts.rows(shown):
        applied, wanted, before = row["applied"], row["desired"], row["before"]
        if applied is not None and applied != before:
            kind = "scaled out" if applied > before else "scaled in"
        else:
            kind = "held" if wanted == before else "not applied"
        marks.append(
            {
                "t": row["t"],
                "y": applied if kind.startswith("scaled") else 0,
                "kind": kind,
                "replicas": f"{before:g} → {wanted:g}",
                "value": None if row["value"] is None else f"{row['value']:.3g}",
                "target": None if row["target"] is None else f"{row['target']:.3g}",
                "metric": row["metric"],
                "reason": row["reason"],
            }
        )
    return marks


def _decision_marks(present: set[str], frames: RunFrames, y: alt.Y, theme: Theme) -> alt.Chart:
    marks = {
        "scaled out": ("triangle-up", theme.red),
        "scaled in": ("triangle-down", theme.orange),
        "held": ("circle", theme.muted),
        "not applied": ("diamond", theme.purple),
    }
    kinds = [kind for kind in marks if kind in present]
    chart: alt.Chart = (
        alt.Chart(alt.NamedData("decisions"))
        .mark_point(filled=True, opacity=1, size=alt.expr("datum.y > 0 ? 130 : 36"), clip=False)
        .encode(
            x=parts.time(frames),
            y=parts.with_field(y, "y"),
            shape=alt.Shape(
                "kind:N", scale=alt.Scale(domain=kinds, range=[marks[kind][0] for kind in kinds])
            ),
            fill=alt.Fill("kind:N", scale=alt.Scale(domain=kinds, range=[marks[kind][1] for kind in kinds])),
            tooltip=[
                alt.Tooltip("kind:N", title="decision"),
                alt.Tooltip("t:Q", title="second", format=".1f"),
                *(alt.Tooltip(f"{name}:N") for name in ("replicas", "metric", "value", "target", "reason")),
            ],
        )
    )
    return chart
