"""The tables of the page on performance, made of the results. Pure."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

from benchmarks.goals import goals, late, observed_ratio, times
from benchmarks.names import CONSTANT, FAST, FAST_OPEN, K6, OURS, PLAIN, UNSAMPLED, VEGETA, WRK
from benchmarks.rates import Spread, rates, ratios, spread
from benchmarks.slices import Mode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from benchmarks.rates import Kind

ENOUGH_ROUNDS = 3
ORDER = (OURS, UNSAMPLED, VEGETA, K6, FAST_OPEN, FAST, PLAIN, WRK)
_SECTIONS = {
    "lateness": "lateness",
    "observation": "observation_lag",
    "fidelity": "fidelity",
    "memory": "memory",
}
"""Which section a table is made of; the others are of the comparison."""
_HELD = {True: "yes", False: "**no**", None: "not measured"}


def tables(sections: Mapping[str, Any]) -> dict[str, str]:
    """Return the tables of all sections that there are, by the name of their place in the page."""
    made = {"goals": goals_table(sections)}
    if "side_by_side" in sections:
        section = sections["side_by_side"]
        made["machine"] = machine_table(section)
        made["new"] = rates_table(section, Mode.NEW)
        made["kept"] = rates_table(section, Mode.KEPT)
    if "lateness" in sections:
        made["lateness"] = lateness_table(sections)
    if "observation_lag" in sections:
        made["observation"] = observation_table(sections)
    if "fidelity" in sections:
        made["fidelity"] = sections["fidelity"]["table"]
    if "memory" in sections:
        made["memory"] = memory_table(sections["memory"])
    return {name: table + measured_when(sections, name) for name, table in made.items()}


def measured_when(sections: Mapping[str, Any], place: str) -> str:
    """Return a line on when a table's figures were measured, and how busy the machine was; empty where another says it."""
    section = sections.get(_SECTIONS.get(place, ""))
    if section is None:
        return ""
    machine = section["machine"]
    return f"\n\nMeasured {machine['when']}; load average before: {machine['load_before'][0]:.2f}."


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def machine_table(section: Mapping[str, Any]) -> str:
    """Return what the comparison was measured on, and how long."""
    machine = section["machine"]
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    busy = ", ".join(f"{each:.2f}" for each in machine["load_before"])
    rows = [
        ("Processor", f"{machine['cpu']}, {machine['cores']} cores"),
        ("Memory", f"{machine['memory_gib']:g} GiB"),
        ("System", f"{machine['kernel']}, Python {machine['python']}"),
        ("Programs", versions),
        ("Measured", machine["when"]),
        ("Comparison", f"{_rounds(whole_rounds(section))}, slices of {section['slice_seconds']} s"),
        ("Load average before (1, 5, 15 min)", busy),
    ]
    return table(("", ""), rows)


def goals_table(sections: Mapping[str, Any]) -> str:
    """Return what is asked of the generator, and what was measured."""
    rows = [(goal.figure, goal.asked, goal.measured, _HELD[goal.held]) for goal in goals(sections)]
    return table(("Figure", "Asked", "Measured", "Held"), rows) + trial_warning(sections)


def trial_warning(sections: Mapping[str, Any]) -> str:
    """Return what a reader must know of a comparison that was too short to compare by; empty if it was not."""
    rounds = whole_rounds(sections.get("side_by_side", {"rounds": []}))
    if rounds >= ENOUGH_ROUNDS:
        return ""
    return (
        f"\n\n**These figures are of a short trial**, with {_rounds(rounds)} where {ENOUGH_ROUNDS} are the least to "
        "compare by: they say that the measurement works, and nothing of the generators."
    )


def _rounds(count: int) -> str:
    return f"{count} whole round{'' if count == 1 else 's'}"


def whole_rounds(section: Mapping[str, Any]) -> int:
    """Return in how many rounds this generator has found its rate in every mode that was measured."""
    modes = {one["mode"] for one in section["rounds"]}
    return min((len(rates(section, Mode(mode), "sustained", OURS)) for mode in modes), default=0)


def rates_table(section: Mapping[str, Any], mode: Mode) -> str:
    """Return the rates of one mode, and our ratios to them."""
    heads = (
        "Generator", "Sustained [1/s]", "Ours to it", "Peak [1/s]", "Ours to it", "Failed at peak",
        "CPU of a request [µs]",
    )  # fmt: skip
    return table(
        heads, [_rates_row(section, mode, name) for name in ORDER if _took_part(section, mode, name)]
    )


def _took_part(section: Mapping[str, Any], mode: Mode, name: str) -> bool:
    return any(name in one["peak"] for one in section["rounds"] if one["mode"] == mode)


def _rates_row(section: Mapping[str, Any], mode: Mode, name: str) -> tuple[str, ...]:
    peaks = [one for one in _slices(section, mode, name) if one["asked"] is None]
    return (
        name,
        *_rate_and_ratio(section, mode, "sustained", name),
        *_rate_and_ratio(section, mode, "peak", name),
        str(sum(one["errors"] for one in peaks)),
        _cpu(_slices(section, mode, name)),
    )


def _rate_and_ratio(section: Mapping[str, Any], mode: Mode, kind: Kind, name: str) -> tuple[str, str]:
    found = spread(rates(section, mode, kind, name))
    ratio = None if name == OURS else spread(ratios(section, mode, kind, name))
    return _rate(found), times(ratio) if ratio else "" if name == OURS else "–"


def _rate(found: Spread | None) -> str:
    return "–" if found is None else f"{found.median:,.0f} ({found.low:,.0f} to {found.high:,.0f})"


def _slices(section: Mapping[str, Any], mode: Mode, name: str) -> list[dict[str, Any]]:
    return [one for one in section["slices"] if one["mode"] == mode and one["generator"] == name]


def _cpu(slices: list[dict[str, Any]]) -> str:
    """Return the CPU time of a request at the peak, where start-up weighs least."""
    known = [one["cpu_seconds_per_request"] for one in slices if one["asked"] is None]
    known = [each for each in known if each is not None]
    return f"{statistics.median(known) * 1e6:.0f}" if known else "–"


def lateness_table(sections: Mapping[str, Any]) -> str:
    """Return how late requests begin, as each generator tells it and as the server sees it."""
    rows = []
    for mode in Mode:
        asked = spread([row["asked"] for row in sections["lateness"]["slices"] if row["mode"] == mode])
        for name in (OURS, CONSTANT, VEGETA, K6):
            told = [late(sections, mode, name, f"late_{q}_seconds") for q in ("p50", "p99")]
            seen = [late(sections, mode, name, f"seen_{q}_seconds") for q in ("p50", "p99")]
            lost = sum(
                row["errors"] + row["dropped"]
                for row in sections["lateness"]["slices"]
                if row["mode"] == mode and row["generator"] == name
            )
            if asked:
                rows.append((mode, f"{asked.median:,.0f}", name, *map(_late, (*told, *seen)), str(lost)))
    heads = (
        "Mode", "Asked [1/s]", "Generator", "Own p50 [ms]", "Own p99 [ms]", "Seen p50 [ms]", "Seen p99 [ms]", "Lost",
    )  # fmt: skip
    return table(heads, rows)


def _late(found: Spread | None) -> str:
    if found is None:
        return "–"
    return f"{found.median * 1000:.2f} ({found.low * 1000:.2f} to {found.high * 1000:.2f})"


def observation_table(sections: Mapping[str, Any]) -> str:
    """Return the schedule lag with and without what watches."""
    section = sections["observation_lag"]
    rows = []
    for name in ("without", "with"):
        found = [
            spread([one[name][f"late_{q}_seconds"] for one in section["rounds"]]) for q in ("p50", "p99")
        ]
        rows.append((name, *map(_late, found)))
    ratio = [observed_ratio(sections, f"late_{q}_seconds") for q in ("p50", "p99")]
    rows.append(("ratio within a round", *(times(one) if one else "–" for one in ratio)))
    heads = (f"Sampler, store, autoscaler, at {section['rate']:,.0f}/s", "Lag p50 [ms]", "Lag p99 [ms]")
    return table(heads, rows)


def memory_table(section: Mapping[str, Any]) -> str:
    """Return the process's memory by arrivals in flight, and by time at a constant rate."""
    rows = []
    flight, growth = section.get("in_flight"), section.get("growth")
    if flight:
        rows += [
            ("few in flight", _megabytes(flight["before_bytes"])),
            (f"{flight['in_flight']:,} in flight", _megabytes(flight["after_bytes"])),
        ]
    if growth and growth["points"]:
        third = max(1, len(growth["points"]) // 3)
        picked = [*growth["points"][::third][:3], growth["points"][-1]]
        rows += [(f"{growth['rate']:,.0f}/s, after {at:.0f} s", _megabytes(size)) for at, size in picked]
    return table(("The process", "Resident memory [MB]"), rows)


def _megabytes(size: float) -> str:
    return f"{size / 1e6:.1f}"
