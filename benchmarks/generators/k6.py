"""k6: its constant-arrival-rate executor, which drops what it cannot start, or constant clients as fast as they go."""

from __future__ import annotations

import json

import msgspec

from benchmarks.bed import CLIENTS, Bed, slice_folder
from benchmarks.pinned import run_generator
from benchmarks.seen import seen_by_the_server
from benchmarks.slices import Mode, Slice, quantile

FIRST_CLIENTS, MOST_CLIENTS = 100, 2000
"""Clients that are there from the start, and those that may be added, when there is a schedule.

Each is a JavaScript engine of its own, so they are not free: with 300 from the start one request in a hundred was 10 to
18 ms late at any rate above 300/s, with 100 it is 2 to 5 ms up to 2,500/s; with 30 it begins to drop sooner."""
_SCRIPT = """import http from "k6/http";
export const options = %s;
export default () => { http.get("%s/"); };
export const handleSummary = (data) => ({ "summary.json": JSON.stringify(data.metrics) });
"""


def timed(bed: Bed, mode: Mode, rate: float | None) -> Slice:
    """Run a slice; how late its requests are is told by the server's side, if it can be."""
    if rate is None:
        return run(bed, mode, rate)
    measured, late = seen_by_the_server(run, bed, mode, round(rate))
    return msgspec.structs.replace(
        measured,
        asked=rate,
        late_p50_seconds=quantile(late or [], 0.5),
        late_p99_seconds=quantile(late or [], 0.99),
    )


def run(bed: Bed, mode: Mode, rate: float | None) -> Slice:
    """Run a slice. When each request began k6 does not tell."""
    with slice_folder() as folder:
        (folder / "script.js").write_text(_SCRIPT % (json.dumps(_options(bed, mode, rate)), bed.url))
        ended = run_generator(
            folder, "k6", "run", "--quiet", "--no-usage-report", "script.js", seconds=bed.seconds
        )
        try:
            metrics = json.loads((folder / "summary.json").read_text())
        except FileNotFoundError:
            raise SystemExit(f"k6 measured nothing:\n{ended.output}") from None
    done = _count(metrics, "http_reqs", "count")
    return Slice(
        asked=rate,
        offered=done / bed.seconds,
        errors=_count(metrics, "http_req_failed", "passes"),
        dropped=_count(metrics, "dropped_iterations", "count"),
        cpu_seconds_per_request=ended.cpu_seconds / done if done else None,
    )


def _options(bed: Bed, mode: Mode, rate: float | None) -> dict[str, object]:
    duration = f"{bed.seconds}s"
    scenario: dict[str, object] = {"executor": "constant-vus", "vus": CLIENTS, "duration": duration}
    if rate is not None:
        scenario = {
            "executor": "constant-arrival-rate", "rate": round(rate), "timeUnit": "1s", "duration": duration,
            "preAllocatedVUs": FIRST_CLIENTS, "maxVUs": MOST_CLIENTS,
        }  # fmt: skip
    return {"noConnectionReuse": mode is Mode.NEW, "scenarios": {"load": {**scenario, "gracefulStop": "2s"}}}


def _count(metrics: dict[str, dict[str, dict[str, float]]], metric: str, value: str) -> int:
    """Return a count among k6's metrics; what did not happen is not among them."""
    return round(metrics.get(metric, {}).get("values", {}).get(value, 0))
