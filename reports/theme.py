"""The charts' colours: on a screen the page's own (so that light, dark and print need nothing but CSS), on paper fixed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Theme:
    """Colours by what they mean. The series' colours are told apart by people with any kind of colour vision."""

    ink: str
    muted: str
    background: str
    blue: str
    orange: str
    green: str
    red: str
    purple: str
    sky: str
    font: str

    @property
    def series(self) -> tuple[str, ...]:
        """Colours for series that mean nothing but themselves, in order of use."""
        return self.blue, self.orange, self.green, self.purple, self.sky, self.ink

    def config(self) -> dict[str, Any]:
        """Return the Vega-Lite configuration that every chart shares."""
        return {
            "background": self.background,
            "font": self.font,
            "view": {"stroke": None},
            "axis": {
                "labelColor": self.muted,
                "titleColor": self.muted,
                "titleFontWeight": "normal",
                "titleFontSize": 12,
                "labelFontSize": 12,
                "domainColor": self.muted,
                "tickColor": self.muted,
                "gridColor": self.muted,
                "gridOpacity": 0.18,
                "domainOpacity": 0.5,
                "tickOpacity": 0.5,
            },
            "axisX": {"grid": False},
            "axisY": {"domain": False, "ticks": False, "minExtent": 52, "maxExtent": 52, "tickCount": 5},
            "legend": {
                "orient": "top",
                "direction": "horizontal",
                "title": None,
                "labelColor": self.ink,
                "labelFontSize": 12,
                "labelLimit": 220,
                "symbolType": "stroke",
                "symbolStrokeWidth": 3,
                "symbolSize": 200,
                "columnPadding": 16,
                "titleColor": self.muted,
                "titleFontWeight": "normal",
            },
            "title": {"color": self.ink, "anchor": "start", "fontSize": 15, "subtitleColor": self.muted},
            "text": {"color": self.muted, "fontSize": 11},
        }


SCREEN = Theme(
    ink="var(--ink)",
    muted="var(--muted)",
    background="transparent",
    blue="var(--blue)",
    orange="var(--orange)",
    green="var(--green)",
    red="var(--red)",
    purple="var(--purple)",
    sky="var(--sky)",
    font='system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", "DejaVu Sans", sans-serif',
)
"""For the page: custom properties that its style sheet defines for light, dark and print."""

# Okabe and Ito's colour-blind-safe palette, a little darker where it would be faint on white.
PAPER = Theme(
    ink="#1b1f24",
    muted="#57606a",
    background="white",
    blue="#0072b2",
    orange="#d98200",
    green="#00875f",
    red="#c9400a",
    purple="#a8558a",
    sky="#3d9bd0",
    font="sans-serif",
)
"""For image files."""
