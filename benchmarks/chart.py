"""The chart of the page on performance: sustained and peak rate of each generator. PNG, from the results.

wrk is left out: beside it nothing else could be told apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import altair as alt
import vl_convert

from benchmarks.names import WRK
from benchmarks.rates import rates, spread
from benchmarks.slices import Mode
from benchmarks.tables import ORDER
from reports.theme import PAPER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.rates import Kind

KINDS: tuple[Kind, ...] = ("sustained", "peak")
SHOWN = tuple(name for name in ORDER if name != WRK)
WIDTH, HEIGHT, SCALE = 330, 190, 2


def rows(section: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a row for each generator, mode and kind: median, lowest and highest rate."""
    found = []
    for mode in Mode:
        for kind in KINDS:
            for name in SHOWN:
                rate = spread(rates(section, mode, kind, name))
                if rate:
                    about = {"mode": mode.value, "kind": kind, "generator": name}
                    found.append({**about, "rate": rate.median, "low": rate.low, "high": rate.high})
    return found


def specification(section: Mapping[str, Any]) -> dict[str, Any]:
    """Return the chart: two panels on axes of their own; bars are medians, lines reach from lowest to highest."""
    panels = []
    for mode in Mode:
        data = alt.Data(values=[row for row in rows(section) if row["mode"] == mode])
        y = alt.Y(
            "generator:N",
            sort=list(SHOWN),
            title=None,
            axis=alt.Axis(minExtent=180, maxExtent=180, labelLimit=180),
        )
        offset = alt.YOffset("kind:N", sort=list(KINDS))
        base = alt.Chart(data)
        bars = base.mark_bar().encode(
            x=alt.X("rate:Q", title="requests/s, one core", axis=alt.Axis(grid=True, tickCount=5)),
            y=y,
            yOffset=offset,
            color=alt.Color("kind:N", scale=alt.Scale(domain=list(KINDS), range=[PAPER.blue, PAPER.sky])),
        )
        ranges = base.mark_rule(color=PAPER.ink, strokeWidth=1.5).encode(
            x="low:Q", x2="high:Q", y=y, yOffset=offset
        )
        panels.append(alt.layer(bars, ranges).properties(width=WIDTH, height=HEIGHT, title=mode.value))
    config = PAPER.config()
    config["legend"] |= {"symbolType": "square", "symbolStrokeWidth": 0}
    config["axisY"] = {"grid": False, "ticks": False, "domain": False}
    spec: dict[str, Any] = alt.hconcat(*panels).configure(**config).to_dict()
    return spec


def png(section: Mapping[str, Any]) -> bytes:
    """Return the chart as a picture."""
    image: bytes = vl_convert.vegalite_to_png(specification(section), scale=SCALE)
    return image
