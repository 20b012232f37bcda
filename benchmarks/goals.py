"""What the generator must reach, and what was measured of it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks.memory_trend import trend
from benchmarks.names import CONSTANT, FAST, FAST_OPEN, K6, OURS, VEGETA
from benchmarks.rates import Spread, ratios, spread
from benchmarks.slices import OFFERED_SHARE, Mode

if TYPE_CHECKING:
    from collections.abc import Mapping

SUSTAINED = {
    Mode.NEW: {VEGETA: 1.4, K6: 3.5, FAST_OPEN: 5.0, FAST: 5.0},
    Mode.KEPT: {VEGETA: 1.2, K6: 5.0, FAST_OPEN: 7.0, FAST: 7.0},
}
"""How many times a peer's sustained rate ours is to be."""
LAG_P50_SECONDS, LAG_P99_SECONDS = 0.0006, 0.002
OBSERVED_RATIO = 1.1
IN_FLIGHT_BYTES = 20_000
FLAT_BYTES_PER_HOUR = 10e6
"""What counts as flat: a slope that may be zero, or that is surely below this."""


class Goal(NamedTuple):
    """One goal: what, how much at least or at most, what was measured, and whether it is held (None: not measured)."""

    figure: str
    asked: str
    measured: str
    held: bool | None


def goals(sections: Mapping[str, Any]) -> list[Goal]:
    """Return all of them."""
    return [
        *_rates(sections),
        *_lateness(sections),
        _observation(sections),
        _connections(sections),
        *_memory(sections),
    ]


def times(found: Spread, digits: int = 2) -> str:
    """Return a ratio and its spread in words."""
    return f"{found.median:.{digits}f} × ({found.low:.{digits}f} to {found.high:.{digits}f})"


def milliseconds(seconds: float | None) -> str:
    """Return a time in words."""
    return "–" if seconds is None else f"{seconds * 1000:.2f} ms"


def _rates(sections: Mapping[str, Any]) -> list[Goal]:
    section = sections.get("side_by_side", {"rounds": []})
    found = []
    for mode, peers in SUSTAINED.items():
        for peer, least in peers.items():
            ratio = spread(ratios(section, mode, "sustained", peer))
            found.append(
                Goal(
                    f"sustained rate, {mode}, beside {peer}",
                    f"≥ {least:g} ×",
                    times(ratio) if ratio else "–",
                    ratio.median >= least if ratio else None,
                )
            )
    return found


def late(sections: Mapping[str, Any], mode: Mode, name: str, field: str) -> Spread | None:
    """Return the spread of a lateness [s] over the slices of one generator."""
    rows = sections.get("lateness", {"slices": []})["slices"]
    return spread([
        row[field] for row in rows
        if row["mode"] == mode and row["generator"] == name and row[field] is not None
    ])  # fmt: skip


def _lateness(sections: Mapping[str, Any]) -> list[Goal]:
    found = []
    for mode in Mode:
        p50, p99 = (late(sections, mode, OURS, f"late_{q}_seconds") for q in ("p50", "p99"))
        measured = f"{milliseconds(p50.median)}, {milliseconds(p99.median)}" if p50 and p99 else "–"
        held = p50.median <= LAG_P50_SECONDS and p99.median <= LAG_P99_SECONDS if p50 and p99 else None
        asked = f"≤ {milliseconds(LAG_P50_SECONDS)}, ≤ {milliseconds(LAG_P99_SECONDS)}"
        found.append(Goal(f"schedule lag p50, p99 at half of that rate, {mode}", asked, measured, held))
    ours = late(sections, Mode.NEW, CONSTANT, "seen_p99_seconds")
    for peer in (VEGETA, K6):
        its = late(sections, Mode.NEW, peer, "seen_p99_seconds")
        both = bool(ours and its)
        found.append(
            Goal(
                f"lateness p99 as the server sees it, beside {peer}",
                f"≤ {milliseconds(its.median)}" if its else "≤ its own",
                milliseconds(ours.median) if ours else "–",
                ours.median <= its.median if ours and its and both else None,
            )
        )
    return found


def observed_ratio(sections: Mapping[str, Any], field: str) -> Spread | None:
    """Return the schedule lag with observation divided by that without, within rounds."""
    rounds = sections.get("observation_lag", {"rounds": []})["rounds"]
    return spread([one["with"][field] / one["without"][field] for one in rounds if one["without"][field]])


def _observation(sections: Mapping[str, Any]) -> Goal:
    ratio = observed_ratio(sections, "late_p99_seconds")
    return Goal(
        "schedule lag p99 with sampler, store and autoscaler, beside that without",
        f"≤ {OBSERVED_RATIO:g} ×",
        times(ratio) if ratio else "–",
        ratio.median <= OBSERVED_RATIO if ratio else None,
    )


def _connections(sections: Mapping[str, Any]) -> Goal:
    one = sections.get("many_connections")
    if one is None:
        return Goal(
            "new connections to one address and port of another host", "no error, all offered", "–", None
        )
    return Goal(
        f"{one['asked']:,.0f} new connections/s for {one['seconds']} s to one address and port of another host",
        "no error, all offered",
        f"{one['offered']:,.0f}/s, {one['errors']} errors, {one['dropped']} dropped, "
        f"{one['time_wait_most']} ports held",
        not one["errors"] and not one["dropped"] and one["offered"] >= OFFERED_SHARE * one["asked"],
    )


def _memory(sections: Mapping[str, Any]) -> list[Goal]:
    figures = sections.get("memory", {})
    each, growth = figures.get("in_flight"), figures.get("growth")
    number = f"{each['in_flight']:,}" if each else "10,000"
    found = [
        Goal(
            f"memory of each arrival, {number} in flight",
            f"≤ {IN_FLIGHT_BYTES / 1000:.0f} KB",
            f"{each['bytes_each'] / 1000:.1f} KB" if each else "–",
            each["bytes_each"] <= IN_FLIGHT_BYTES if each else None,
        )
    ]
    slope = trend(growth["points"]) if growth else None
    held = slope.low <= 0 or slope.high * 3600 <= FLAT_BYTES_PER_HOUR if slope else None
    found.append(
        Goal(
            "growth of memory at a constant rate",
            f"none, or surely < {FLAT_BYTES_PER_HOUR / 1e6:.0f} MB/h",
            f"{slope.slope * 0.06:+.1f} KB/min ({slope.low * 0.06:+.1f} to {slope.high * 0.06:+.1f})"
            if slope
            else "–",
            held,
        )
    )
    return found
