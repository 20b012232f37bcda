"""Numbers as people read them. A share is never rounded up to all or down to nothing."""

from __future__ import annotations

import math
from decimal import Decimal

NOTHING = "–"
"""What is shown where there is no figure."""


def percent(share: float | None) -> str:
    """Return a share as a percentage: `93 %`, `99.4 %`; `> 99.9 %` where all would be an exaggeration."""
    if share is None:
        return NOTHING
    value = share * 100
    if 99.9 < value < 100:
        return "> 99.9 %"
    if 0 < value < 0.1:
        return "< 0.1 %"
    return f"{_floored(value, 1):g} %" if value >= 90 or value < 10 else f"{value:.0f} %"


def duration(seconds: float | None) -> str:
    """Return a duration in its natural unit: `0.4 ms`, `118 ms`, `7.5 s`, `12 min 30 s`."""
    if seconds is None:
        return NOTHING
    if seconds < 0.9995:
        return f"{seconds * 1000:.2g} ms" if seconds < 0.01 else f"{seconds * 1000:.0f} ms"
    if seconds < 120:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if rest else f"{minutes} min"


def after(seconds: float | None) -> str:
    """Return how much later something was, to a tenth of a second."""
    return NOTHING if seconds is None else f"{max(0.0, seconds):.1f} s"


def count(number: float | None) -> str:
    """Return a whole number with its thousands apart."""
    return NOTHING if number is None else f"{number:,.0f}"


def number(value: float | None, digits: int = 3) -> str:
    """Return a number with so many significant digits, never in powers of ten."""
    if value is None or math.isnan(value):
        return NOTHING
    if abs(value) >= 10**digits:
        return f"{value:,.0f}"
    text = f"{Decimal(f'{value:.{digits}g}'):,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def probability(p: float) -> str:
    """Return a p-value: two digits, and `< 0.001` below that."""
    return "< 0.001" if p < 0.001 else f"= {number(p, 2)}"


def plural(n: int, one: str, many: str | None = None) -> str:
    """Return `1 second`, `2 seconds`."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def _floored(value: float, digits: int) -> float:
    scale = 10.0**digits
    return math.floor(value * scale + 1e-9) / scale
