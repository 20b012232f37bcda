"""What the charts have in common: one time axis, phases, lines, and values that appear under the pointer."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import altair as alt

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from reports.frames import RunFrames
    from reports.theme import Theme

Rows = list[dict[str, Any]]

ZOOM = "zoom"
"""The parameter that holds the part of the time axis that is shown; its signal in Vega is `zoom_t`."""
TIME_TITLE = "seconds since the run began"
SOLID, DASHED, DOTTED = [1, 0], [6, 3], [2, 2]
_WIDE_SHARE = 0.15


@dataclass(frozen=True)
class Chart:
    """A chart: a Vega-Lite specification and its data sets by name; charts of a run share those of the same name.

    `key` names it in files and in the page, `about` says below it what it shows, `alt` replaces it where it cannot be seen.
    """

    key: str
    title: str
    about: str
    alt: str
    spec: dict[str, Any]
    datasets: dict[str, Rows]


@dataclass(frozen=True)
class Stroke:
    """How one series of a chart is drawn and what its legend says. `at` is the field of its time."""

    field: str
    name: str
    color: str
    dash: list[int]
    width: float = 2.0
    interpolate: Literal["linear", "step-after"] = "linear"
    at: str = "t"


def rows(table: pd.DataFrame, *, digits: int = 4) -> Rows:
    """Return a table as rows of plain values: numbers rounded, what was not measured None."""
    return [
        {str(name): _plain(value, digits) for name, value in row.items()} for row in table.to_dict("records")
    ]


def _plain(value: Any, digits: int) -> Any:
    if isinstance(value, str) or value is None:
        return value
    if isinstance(value, float):
        return None if math.isnan(value) else round(value, digits)
    return value.item() if hasattr(value, "item") else value


def time(frames: RunFrames, field: str = "t") -> alt.X:
    """Return the time axis that all charts of a run share."""
    domain = [round(frames.start, 3), round(frames.end, 3)]
    return alt.X(f"{field}:Q", title=TIME_TITLE, scale=alt.Scale(domain=domain, nice=False, zero=False))


def phases(frames: RunFrames, theme: Theme) -> tuple[list[alt.Chart], Rows]:
    """Return the phases as shaded bands with their names, and their data set, `phases`."""
    whole = frames.end - frames.start
    data: Rows = []
    for span in frames.spans:
        start, end = max(span.start, frames.start), span.end
        place, align = (start, "left") if end < frames.end else (end, "right")
        if span.seconds > _WIDE_SHARE * whole:
            place, align = (start + end) / 2, "center"
        data.append(
            {
                "t": round(start, 3),
                "end": round(end, 3),
                "name": span.name,
                "place": round(place, 3),
                "align": align,
                "shade": 0.0 if span.name == "load" else 0.1,
            }
        )
    base = alt.Chart(alt.NamedData("phases"))
    bands = base.mark_rect(fill=theme.muted, aria=False).encode(
        x=time(frames), x2="end:Q", opacity=alt.Opacity("shade:Q", scale=None)
    )
    names = base.mark_text(
        align=alt.expr("datum.align"), baseline="top", color=theme.muted, clip=True
    ).encode(x=time(frames, "place"), y=alt.value(3), text="name:N")
    return [bands, names], data


def lines(data: str, strokes: Sequence[Stroke], frames: RunFrames, y: alt.Y) -> list[alt.Chart]:
    """Return one layer a series, the first on top, under one legend in their order."""
    names = [stroke.name for stroke in strokes]
    color = alt.Scale(domain=names, range=[stroke.color for stroke in strokes])
    dash = alt.Scale(domain=names, range=[stroke.dash for stroke in strokes])
    return [
        alt.Chart(alt.NamedData(data))
        .transform_calculate(series=json.dumps(stroke.name))
        .mark_line(interpolate=stroke.interpolate, strokeWidth=stroke.width, strokeCap="butt", clip=True)
        .encode(
            x=time(frames, stroke.at),
            y=with_field(y, stroke.field),
            color=alt.Color("series:N", scale=color),
            strokeDash=alt.StrokeDash("series:N", scale=dash),
        )
        for stroke in reversed(strokes)
    ]


def with_field(y: alt.Y, field: str) -> alt.Y:
    """Return a y channel like `y` that shows `field`."""
    copy = y.copy()
    copy["shorthand"] = f"{field}:Q"
    return copy


def under_pointer(
    data: str, frames: RunFrames, theme: Theme, values: Sequence[tuple[str, str, str]]
) -> alt.Chart:
    """Return a layer that shades the bin (t to end) under the pointer and tells its `values`: (field, title, format)."""
    here = alt.selection_point(name="here", on="pointerover", clear="pointerout", fields=["t"], empty=False)
    tooltip = [
        alt.Tooltip(f"{field}:Q", title=title, format=form)
        for field, title, form in (("t", "second", ".0f"), *values)
    ]
    chart: alt.Chart = (
        alt.Chart(alt.NamedData(data))
        .mark_rect(fill=theme.ink, aria=False, clip=True)
        .encode(
            x=time(frames),
            x2="end:Q",
            opacity=alt.condition(here, alt.value(0.12), alt.value(0)),
            tooltip=tooltip,
        )
        .add_params(here)
    )
    return chart


def level(data: str, field: str, label: str, theme: Theme) -> list[alt.Chart]:
    """Return dashed horizontal lines with a label, for limits: one for each row of a data set."""
    base = alt.Chart(alt.NamedData(data))
    y = alt.Y(f"{field}:Q")
    rule = base.mark_rule(color=theme.red, strokeDash=DASHED, strokeWidth=1.5, clip=True).encode(y=y)
    text = base.mark_text(align="right", baseline="bottom", dy=-2, dx=-2, color=theme.red, clip=True).encode(
        y=y, x=alt.value("width"), text=f"{label}:N"
    )
    return [rule, text]


def finished(
    layers: Sequence[alt.Chart], theme: Theme, *, description: str, height: int = 220
) -> dict[str, Any]:
    """Return the specification of layers over each other, which zoom along the time axis, without its data.

    The wheel alone scrolls the page, as a reader expects; with Ctrl or ⌘ it zooms, as in a map.
    """
    zoom = alt.selection_interval(
        name=ZOOM, bind="scales", encodings=["x"], zoom="wheel![event.ctrlKey || event.metaKey]"
    )
    chart = (
        alt.layer(*layers)
        .add_params(zoom)
        .properties(width="container", height=height, description=description)
    )
    spec: dict[str, Any] = chart.configure(**theme.config()).to_dict()
    return spec
