"""What the benchmarks decide, and that each of them starts; nothing here says how fast anything is."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import page, results
from benchmarks.chart import specification
from benchmarks.generators import wrk
from benchmarks.goals import goals
from benchmarks.machine import cpu_model
from benchmarks.memory_trend import trend
from benchmarks.names import FAST, K6, OURS, VEGETA
from benchmarks.rates import ratios, spread, sustained_median
from benchmarks.slices import Mode, Slice, lateness, quantile
from benchmarks.staircase import Staircase
from benchmarks.tables import rates_table, tables
from benchmarks.tcp_table import ESTABLISHED, TIME_WAIT, states_towards

ROOT = Path(__file__).resolve().parents[1]
PROGRAMS = sorted(
    path.stem for path in (ROOT / "benchmarks").glob("*.py") if "def main()" in path.read_text()
)
MACHINE = {
    "when": "2026-11-22 09:00 UTC", "cpu": "A processor", "cores": 2, "memory_gib": 4.0, "kernel": "Linux 6",
    "python": "3.11.7", "versions": {"locust": "2.47.0"}, "load_before": [0.1, 0.2, 0.3],
}  # fmt: skip


def climb(stairs: Staircase, limit: float, most_slices: int = 100) -> list[float]:
    """Let a generator that sustains up to `limit` be searched; return the rates that were tried."""
    tried: list[float] = []
    while not stairs.done and len(tried) < most_slices:
        tried.append(stairs.rate)
        stairs.record(sustained=stairs.rate <= limit)
    return tried


@pytest.mark.parametrize("limit", [10.0, 900.0, 1000.0, 1100.0, 1_300.0, 50_000.0])
def test_a_staircase_finds_the_highest_rate_that_is_sustained_to_within_a_step(limit: float) -> None:
    stairs = Staircase(1000.0, step=1.12, most_slices=60)
    climb(stairs, limit)
    assert stairs.found is not None
    assert stairs.found <= limit < stairs.found * 1.12 * 1.000001


def test_a_staircase_that_begins_at_the_right_rate_needs_three_slices() -> None:
    assert climb(Staircase(1000.0), 1050.0) == [1000.0, pytest.approx(1120.0), pytest.approx(1120.0)]


def test_one_slice_that_met_a_busy_moment_does_not_end_a_search() -> None:
    stairs = Staircase(1000.0, tries=2)
    stairs.record(sustained=False)
    assert stairs.rate == 1000.0
    stairs.record(sustained=True)
    assert stairs.rate == pytest.approx(1120.0)
    assert stairs.found == 1000.0


def test_a_search_that_finds_nothing_ends_all_the_same() -> None:
    stairs = Staircase(1000.0, most_slices=8)
    assert len(climb(stairs, 0.0)) == 8
    assert stairs.found is None


def test_a_search_begins_above_zero() -> None:
    with pytest.raises(ValueError, match="start is 0"):
        Staircase(0)


@pytest.mark.parametrize(
    ("measured", "sustained"),
    [
        (Slice(asked=1000.0, offered=970.0, late_p99_seconds=0.005), True),
        (Slice(asked=1000.0, offered=969.0, late_p99_seconds=0.001), False),
        (Slice(asked=1000.0, offered=1000.0, late_p99_seconds=0.0051), False),
        (Slice(asked=1000.0, offered=1000.0, errors=1), False),
        (Slice(asked=1000.0, offered=1000.0, dropped=1), False),
        (Slice(asked=1000.0, offered=1000.0), True),
        (Slice(asked=None, offered=1000.0), False),
    ],
)
def test_a_rate_is_sustained_if_it_is_offered_in_time_and_whole(measured: Slice, sustained: bool) -> None:
    assert measured.sustained is sustained


def test_lateness_is_counted_from_the_latest_schedule_that_lets_nothing_be_early() -> None:
    assert lateness([7.003, 7.101, 7.2, 7.35], 10.0) == pytest.approx([0.003, 0.001, 0.0, 0.05])
    assert lateness([], 10.0) == []


def test_a_quantile_is_one_of_the_values() -> None:
    assert quantile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert quantile([float(n) for n in range(1, 101)], 0.99) == 99.0
    assert quantile([], 0.5) is None


def comparison() -> dict[str, Any]:
    """Two rounds, in the second of which the time was up before k6 had found its rate."""
    return {
        "machine": MACHINE,
        "slice_seconds": 3,
        "rounds": [
            {"round": 1, "mode": Mode.NEW, "peak": {OURS: 15e3, VEGETA: 10e3, K6: 6e3},
             "sustained": {OURS: 9000.0, VEGETA: 6000.0, K6: 2000.0, FAST: 1000.0}},
            {"round": 2, "mode": Mode.NEW, "peak": {OURS: 12e3, VEGETA: 6e3, K6: 6e3},
             "sustained": {OURS: 6000.0, VEGETA: 3000.0}},
        ],
        "slices": [
            {"round": 1, "mode": Mode.NEW, "generator": VEGETA, "asked": None, "errors": 3, "cpu_seconds_per_request": 9e-5},
            {"round": 1, "mode": Mode.NEW, "generator": VEGETA, "asked": 7e3, "errors": 9, "cpu_seconds_per_request": 1e-4},
        ],
    }  # fmt: skip


def test_ratios_are_taken_within_rounds_that_have_both() -> None:
    section = comparison()
    assert ratios(section, Mode.NEW, "sustained", VEGETA) == [1.5, 2.0]
    assert ratios(section, Mode.NEW, "sustained", K6) == [4.5]
    assert ratios(section, Mode.KEPT, "sustained", VEGETA) == []
    assert spread([1.5, 2.0, 1.0]) == (1.5, 1.0, 2.0)


def test_what_is_measured_later_begins_at_the_median_of_what_was_sustained() -> None:
    assert sustained_median({"side_by_side": comparison()}, Mode.NEW) == 7500.0
    assert sustained_median({}, Mode.NEW) is None


def test_a_table_has_rates_ratios_with_their_spread_and_errors() -> None:
    rows = {
        line.split(" | ")[0].strip("| "): line for line in rates_table(comparison(), Mode.NEW).splitlines()
    }
    assert rows[VEGETA] == (
        "| vegeta | 4,500 (3,000 to 6,000) | 1.75 × (1.50 to 2.00) | 8,000 (6,000 to 10,000)"
        " | 1.75 × (1.50 to 2.00) | 3 | 90 |"
    )
    assert rows[OURS].startswith("| swarm-ext | 7,500 (6,000 to 9,000) |  | 13,500 ")


def test_goals_are_judged_by_the_median_and_nothing_is_claimed_that_was_not_measured() -> None:
    found = {goal.figure: goal for goal in goals({"side_by_side": comparison()})}
    vegeta = found["sustained rate, a new connection each, beside vegeta"]
    assert (vegeta.asked, vegeta.measured, vegeta.held) == ("≥ 1.4 ×", "1.75 × (1.50 to 2.00)", True)
    assert found["sustained rate, kept connections, beside vegeta"].held is None
    assert {goal.held for goal in goals({})} == {None}


@pytest.mark.parametrize(
    ("offered", "errors", "held"), [(5000.0, 0, True), (5000.0, 1, False), (4800.0, 0, False)]
)
def test_new_connections_are_whole_only_if_all_of_them_were_offered(
    offered: float, errors: int, held: bool
) -> None:
    section = {
        "asked": 5000,
        "offered": offered,
        "errors": errors,
        "dropped": 0,
        "seconds": 60,
        "time_wait_most": 2,
    }
    found = [
        goal.held for goal in goals({"many_connections": section}) if goal.figure.startswith("5,000 new")
    ]
    assert found == [held]


def test_a_trial_is_called_one() -> None:
    section = comparison()
    assert "short trial**, with 2 whole rounds" in tables({"side_by_side": section})["goals"]
    section["rounds"] = [*section["rounds"], section["rounds"][0]]
    assert "trial" not in tables({"side_by_side": section})["goals"]


def test_memory_that_grows_has_a_slope_whose_interval_leaves_zero_out() -> None:
    noise = [3.0, -2.0, 1.0, -3.0, 2.0, -1.0, 0.0, 2.0]
    points = [(130.0 + 10 * n, 1000.0 + 50 * n + each) for n, each in enumerate(noise)]
    grows = trend([(10.0, 1.0), *points])
    assert grows is not None
    assert grows.low < 5.0 < grows.high
    assert grows.low > 0
    flat = trend([(at, 1000.0 + each) for (at, _), each in zip(points, noise, strict=True)])
    assert flat is not None
    assert flat.low < 0 < flat.high
    assert trend(points[:2]) is None


def test_connections_are_counted_by_state_towards_one_server() -> None:
    line = (
        "   {}: 0100007F:{} {} {} 00000000:00000000 00:00000000 00000000     0        0 1 1 0000000000000000"
    )
    table = "\n".join(
        [
            "  sl  local_address rem_address   st",
            line.format(0, "9C40", "0100007F:1F90", "06"),
            line.format(1, "9C41", "0100007F:1F90", "06"),
            line.format(2, "9C42", "0100007F:1F90", "01"),
            line.format(3, "9C43", "0100007F:1F91", "06"),
            line.format(4, "1F90", "0100007F:9C42", "01"),
        ]
    )
    assert states_towards("127.0.0.1", 8080, table) == {TIME_WAIT: 2, ESTABLISHED: 1}


def test_errors_that_wrk_tells_of_are_counted() -> None:
    output = (
        "  12345 requests in 3.00s, 1.9MB read\n  Socket errors: connect 1, read 2, write 3, timeout 4\n"
        "  Non-2xx or 3xx responses: 5\nRequests/sec:   4115.00\n"
    )
    measured = wrk.read(output, 1.2345)
    assert measured.errors == 15
    assert measured.offered == pytest.approx(4115.0)
    assert measured.cpu_seconds_per_request == pytest.approx(1e-4)
    with pytest.raises(SystemExit, match="wrk measured nothing"):
        wrk.read("unable to connect", 0.0)


def test_a_processor_without_a_name_is_told_by_its_architecture() -> None:
    assert cpu_model("processor\t: 0\nmodel name\t: A Fast One\n") == "A Fast One"
    assert cpu_model("processor\t: 0\n")


def test_a_part_of_the_results_is_renewed_without_the_others(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    results.put(path, "memory", {"one": 1})
    results.put(path, "lateness", {"two": 2})
    results.put(path, "memory", {"one": 3, "rows": [{"ü": None}, [1.5]], "none": []})
    assert results.read(path) == {
        "memory": {"one": 3, "rows": [{"ü": None}, [1.5]], "none": []},
        "lateness": {"two": 2},
    }
    assert [each.name for each in tmp_path.iterdir()] == ["results.json"]


def test_what_was_found_before_a_measurement_was_broken_off_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "results.json"

    def measure() -> None:
        with results.recorded("memory", path) as figures:
            figures["found"] = 1 / 3
            raise KeyboardInterrupt

    with pytest.raises(SystemExit) as ended:
        measure()
    assert ended.value.code == 130
    kept = results.read(path)["memory"]
    assert kept["found"] == 0.333333
    assert kept["machine"]["cores"] > 0


def test_only_what_stands_between_the_marks_of_a_table_is_made_anew() -> None:
    text = "prose\n<!-- table: new -->\nold\n<!-- end -->\nmore\n<!-- table: kept -->\nstays\n<!-- end -->\n"
    assert page.filled(text, {"new": "| a |"}) == text.replace("old", "| a |")
    with pytest.raises(ValueError, match="no place for: nowhere"):
        page.filled(text, {"nowhere": "| a |"})


def test_the_page_has_the_tables_of_the_results() -> None:
    sections = results.read(results.RESULTS)
    assert "side_by_side" in sections
    text = page.PAGE.read_text()
    assert page.filled(text, tables(sections)) == text
    places = set(re.findall(r"<!-- table: (\w+) -->", text))
    assert places == set(tables(sections))


def test_the_chart_shows_each_rate_that_was_found() -> None:
    spec = specification(comparison())
    shown = [row for panel in spec["hconcat"] for row in panel["data"]["values"]]
    assert {(row["generator"], row["kind"]) for row in shown} == {
        *((name, "peak") for name in (OURS, VEGETA, K6)),
        *((name, "sustained") for name in (OURS, VEGETA, K6, FAST)),
    }


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_benchmark_starts(program: str, tmp_path: Path) -> None:
    module = "benchmarks" if program == "__main__" else f"benchmarks.{program}"
    told = subprocess.run(
        [sys.executable, "-m", module, "--help"],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    assert told.stdout.startswith("usage:")


def test_a_program_that_is_missing_is_named_with_its_remedy(tmp_path: Path) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--results", str(tmp_path / "results.json")],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=60, env={"PATH": str(tmp_path)},
    )  # fmt: skip
    assert told.returncode == 1
    assert told.stderr == "nginx, taskset missing: apt-get install nginx-light util-linux\n"
