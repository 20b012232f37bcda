"""Long runs on few points: means stay means, peaks stay visible, gaps stay gaps."""

import pandas as pd
import pytest

from reports import resample
from swarm_ext import histogram
from swarm_ext.slo import Slo

NAN = float("nan")


def load(offered: list[int], *, phase: str = "load") -> pd.DataFrame:
    zeros = [0] * len(offered)
    slow = {histogram.bucket(0.9): 1}
    return pd.DataFrame(
        {
            "t": [0.4 + i for i in range(len(offered))],
            "phase": phase,
            "asked_rate": 10.0,
            "offered": offered,
            "completed": offered,
            "failed": zeros,
            "dropped": zeros,
            "abandoned": zeros,
            "lost": zeros,
            "response_times": [{histogram.bucket(0.1): n - 1, **slow} if n else {} for n in offered],
        }
    )


def points(*rows: tuple[str, float, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["container", "t", "cores"]).assign(
        memory_mb=lambda t: t["cores"] * 100
    )


@pytest.mark.parametrize(("span", "series", "width"), [(90, 1, 1), (600, 1, 1), (601, 1, 2), (3600, 1, 10), (3600, 50, 10),
                                                       (3600, 300, 60), (10**6, 1, 1800)])  # fmt: skip
def test_bins_are_as_wide_as_the_number_of_points_asks_for(span: float, series: int, width: int) -> None:
    assert resample.width(span, series) == width
    assert span / width * series <= max(resample.ROWS, 10 * series)


def test_bins_of_load_are_means_with_the_highest_second_beside() -> None:
    bins = resample.load_bins(load([10, 20, 30, 0]), 2, None)
    assert bins["t"].tolist() == [0.4, 2.4]
    assert bins["offered"].tolist() == [15.0, 15.0]
    assert bins["offered_max"].tolist() == [20, 30]


def test_response_times_of_a_bin_are_quantiles_of_all_its_requests() -> None:
    (p50,) = resample.load_bins(load([10, 20, 30]), 5, None)["p50"]
    assert p50 == pytest.approx(100, rel=0.01)
    assert resample.load_bins(load([0]), 1, None)["p99"].isna().all()


def test_a_bin_counts_its_seconds_in_violation_those_of_the_warm_up_apart() -> None:
    slo = Slo(0.5, 0.95)
    assert resample.load_bins(load([10, 20, 30]), 5, slo)["violated"].tolist() == [1]
    assert resample.load_bins(load([10, 20, 30], phase="warm-up"), 5, slo)["violated"].tolist() == [0]


def test_short_runs_show_each_point_as_it_was_measured() -> None:
    shown = resample.container_bins(points(("a", 0.3, 0.1), ("a", 1.4, 0.2)), 1)
    assert shown["t"].tolist() == [0.3, 1.4]
    assert shown["cores"].tolist() == [0.1, 0.2]


def test_binned_containers_keep_their_mean_and_their_peak() -> None:
    shown = resample.container_bins(
        points(("a", 0.3, 0.1), ("a", 1.4, 0.3), ("b", 1.5, 0.7), ("a", 10.1, 0.5)), 10
    )
    first = shown[shown["container"] == "a"].iloc[0]
    assert (first["t"], first["cores"], first["cores_max"]) == (5.0, pytest.approx(0.2), 0.3)
    assert first["memory_mb"] == pytest.approx(30)
    assert len(shown) == 3


def test_a_line_is_broken_where_measurements_pause() -> None:
    shown = resample.container_bins(points(("a", 0, 0.1), ("b", 3, 0.1), ("a", 9, 0.2), ("b", 4, 0.1)), 1)
    own = shown[shown["container"] == "a"].sort_values("t")
    assert own["cores"].isna().tolist() == [False, True, False]
    assert not shown.loc[shown["container"] == "b", "cores"].isna().any()


def test_a_service_is_drawn_where_it_changes() -> None:
    counts = pd.DataFrame({"t": [0.0, 1, 2, 3], "desired": [1, 1, 2, 2], "running": [1, 1, 1, 2], "ready": 1})
    shown = resample.changes(counts, 10.0)
    assert shown["t"].tolist() == [0, 2, 3]
    assert shown["end"].tolist() == [2, 3, 10]
    assert resample.changes(counts.iloc[:0], 10.0).empty


def test_thinning_keeps_the_first_and_the_last() -> None:
    table = pd.DataFrame({"t": range(1000)})
    thin = resample.thinned(table, 10)
    assert (len(thin), thin["t"].iloc[0], thin["t"].iloc[-1]) == (10, 0, 999)
    assert len(resample.thinned(table, 5000)) == 1000
