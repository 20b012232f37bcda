"""How much of what a window shows is chance."""

from __future__ import annotations

import math

from swarm_ext.scaling.words import percent


def noise_warning(rate: float, window_seconds: float, tolerance: float) -> str | None:
    """Return one line if Poisson noise alone moves the window's mean by more than the tolerance, else None.

    The count of arrivals in a window has the relative standard deviation 1/√(λ·window); `rate` is λ in 1/s.
    """
    if rate <= 0 or tolerance <= 0:
        return None
    deviation = 1 / math.sqrt(rate * window_seconds)
    if deviation <= tolerance:
        return None
    return (
        f"at {rate:g} arrivals/s Poisson noise alone moves a window of {window_seconds:g} s by {percent(deviation)} "
        f"(one standard deviation), more than the tolerance of {percent(tolerance)}: expect needless scaling, "
        f"or use a window of at least {math.ceil(1 / (rate * tolerance**2) - 1e-9)} s"
    )
