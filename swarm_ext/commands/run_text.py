"""A run as text for terminals: one row of a list, or everything that is known of it. Pure. Times are UTC."""

from __future__ import annotations

import json
import re
from datetime import UTC
from typing import TYPE_CHECKING

from swarm_ext import histogram
from swarm_ext.commands.table import aligned

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from swarm_ext.model import Run, Totals

_NOTHING = "-"


def run_list(runs: Sequence[Run]) -> Iterator[str]:
    """Yield a table of runs, a line each below its heading."""
    heading = ("RUN", "START (UTC)", "DURATION", "PROCESS", "OFFERED", "P99", "STATUS")
    return aligned([heading, *map(_row, runs)], right={2, 4, 5})


def run_details(run: Run, counts: Mapping[str, int]) -> Iterator[str]:
    """Yield what is known of a run: itself, options, tags, versions, phases, totals, record counts, troubles."""
    process = run.arrival_process
    yield from aligned(
        [
            ("run", run.id),
            ("status", run.exit_status),
            ("start", f"{_clock(run.start)} UTC"),
            ("end", f"{_clock(run.end)} UTC, after {_duration(run.start, run.end)}" if run.end else _NOTHING),
            ("arrivals", process.description if process else _NOTHING),
            ("seed", _text(run.seed)),
            ("schedule hash", _text(run.schedule_hash)),
            ("host", _text(run.host)),
            ("locustfile", _text(run.locustfile)),
            ("swarm", _text(run.swarm)),
            ("service", _text(run.service)),
            ("workers", str(run.workers) if run.workers else "none: one process"),
        ]
    )
    yield from _section("options", ((name, _text(run.options[name])) for name in sorted(run.options)))
    yield from _section("tags", ((name, _text(run.tags[name])) for name in sorted(run.tags)))
    yield from _section("versions", sorted(run.versions.items()))
    yield from _section(
        "phases", ((p.name, f"{_clock(p.start)} UTC", _duration(p.start, p.end)) for p in run.phases)
    )
    if run.totals:
        yield from _section("totals", _totals(run.totals), right={1})
    yield from _section("records", ((_words(kind), f"{n:,}") for kind, n in counts.items()), right={1})
    yield from _section(
        "troubles", ((t.source, f"{t.count:,} ×", _text(t.message)) for t in run.troubles), right={1}
    )


def _row(run: Run) -> tuple[str, ...]:
    totals = run.totals
    return (
        run.id,
        _clock(run.start),
        _duration(run.start, run.end),
        run.arrival_process.description if run.arrival_process else _NOTHING,
        f"{totals.offered:,}" if totals else _NOTHING,
        _quantile(totals.response_times, 0.99) if totals else _NOTHING,
        run.exit_status,
    )


def _totals(totals: Totals) -> Iterator[tuple[str, str]]:
    for name in ("offered", "completed", "failed", "dropped", "abandoned"):
        yield name, f"{getattr(totals, name):,}"
    for title, values in (("response time", totals.response_times), ("schedule lag", totals.schedule_lags)):
        for percent in (50, 95, 99):
            yield f"{title} p{percent}", _quantile(values, percent / 100)
    yield "schedule lag max", _time(totals.schedule_lag_max_seconds)


def _section(title: str, rows: Iterable[Sequence[str]], *, right: Iterable[int] = ()) -> Iterator[str]:
    lines = list(aligned(list(rows), right=set(right)))
    if lines:
        yield ""
        yield title
        yield from (f"  {line}" for line in lines)


def _clock(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def _duration(start: datetime, end: datetime | None) -> str:
    if end is None:
        return _NOTHING
    seconds = (end - start).total_seconds()
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {seconds:02} s"


def _quantile(values: Mapping[int, int], q: float) -> str:
    return _time(histogram.quantile(values, q))


def _time(seconds: float | None) -> str:
    if seconds is None:
        return _NOTHING
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.1f} ms"


def _text(value: object) -> str:
    if value is None:
        return _NOTHING
    if isinstance(value, str) and value.isprintable():
        return value
    return json.dumps(value, ensure_ascii=False)


def _words(kind: str) -> str:
    """Return `container samples` for `ContainerSample`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", kind).lower() + "s"
