"""The chart of the arrival check: measured gaps against those asked for."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

import altair as alt

from reports.chart_parts import DASHED, Chart

if TYPE_CHECKING:
    from reports.theme import Theme
    from swarm_ext.model import ArrivalCheck

KOLMOGOROV_HALF_PERCENT = 1.731
"""√n × the largest distance stays below this in 99.5 % of faultless runs (Kolmogorov's limit law)."""


def arrival_chart(check: ArrivalCheck, theme: Theme) -> Chart | None:
    """Return measured gaps against the asked law (a P-P plot) with the band of chance; None where there is no law."""
    if not check.uniforms or not (n := sum(check.uniforms)):
        return None
    bins = len(check.uniforms)
    band = KOLMOGOROV_HALF_PERCENT / n**0.5
    edges = [(0, 0), *enumerate(accumulate(check.uniforms), start=1)]
    every = max(1, bins // 200)
    data = [
        {
            "asked": round(i / bins, 4),
            "measured": round(below / n, 4),
            "low": round(max(0.0, i / bins - band), 4),
            "high": round(min(1.0, i / bins + band), 4),
        }
        for i, below in edges
        if i % every == 0 or i == bins
    ]
    unit = alt.Scale(domain=[0, 1], nice=False)
    base = alt.Chart(alt.NamedData("gaps")).encode(
        x=alt.X(
            "asked:Q", title="share of gaps asked for", scale=unit, axis=alt.Axis(format="%", tickCount=5)
        )
    )
    title = "share measured"
    axis = alt.Axis(format="%", tickCount=5)
    y = alt.Y("low:Q", title=title, scale=unit, axis=axis)
    tooltip = [
        alt.Tooltip("asked:Q", title="asked", format=".1%"),
        alt.Tooltip("measured:Q", title="measured", format=".1%"),
    ]
    layers = [
        base.mark_area(fill=theme.muted, opacity=0.25, line=False).encode(y=y, y2="high:Q"),
        base.mark_line(stroke=theme.muted, strokeDash=DASHED, strokeWidth=1).encode(
            y=alt.Y("asked:Q", title=title, scale=unit, axis=axis)
        ),
        base.mark_line(stroke=theme.blue, strokeWidth=2).encode(
            y=alt.Y("measured:Q", title=title, scale=unit, axis=axis), tooltip=tooltip
        ),
    ]
    description = "Shares of gaps up to each quantile: measured against asked for, with the band of chance."
    spec = (
        alt.layer(*layers)
        .properties(width="container", height=220, description=description)
        .configure(**theme.config())
        .to_dict()
    )
    about = "As asked, the line runs along the diagonal, inside the band (which holds it in 995 of 1,000 faultless runs)."
    return Chart("arrivals", "Gaps between arrivals", about, description, spec, {"gaps": data})
