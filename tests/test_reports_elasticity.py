"""Each figure of elasticity, against values computed by hand."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from reports import elasticity
from reports.elasticity import Act, LoadStep, Window

NAN = float("nan")


def load(*rates: float, users: int = 1, failed: dict[int, int] | None = None) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "t": [float(i) for i in range(len(rates))],
            "asked_rate": rates,
            "users": [users if rate > 0 or rate != rate else 0 for rate in rates],  # noqa: PLR0124  # NaN
            "failed": [(failed or {}).get(i, 0) for i in range(len(rates))],
        }
    )


def service(*rows: tuple[float, int, int, int]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["t", "desired", "running", "ready"])


def decisions(*rows: dict[str, Any]) -> pd.DataFrame:
    usual = {"applied_t": NAN, "applied": NAN, "reason": "because"}
    columns = ["t", "applied_t", "before", "desired", "applied", "reason"]
    return pd.DataFrame([{**usual, **row} for row in rows], columns=columns)


def act(decided: float, before: int, after: int) -> Act:
    return Act(decided, decided + 0.2, before, after, "because")


def test_replica_seconds_are_integrals_of_steps() -> None:
    counts = service((0, 1, 1, 1), (10, 3, 1, 1), (12, 3, 3, 1), (14, 3, 3, 3))
    figures = elasticity.replica_seconds(counts, Window(0, 20))
    assert figures is not None
    assert figures.desired == 10 * 1 + 10 * 3
    assert figures.running == 12 * 1 + 8 * 3
    assert figures.ready == 14 * 1 + 6 * 3


def test_replica_seconds_are_of_the_window_only() -> None:
    counts = service((-5, 2, 2, 2), (100, 7, 7, 7))
    figures = elasticity.replica_seconds(counts, Window(10, 20))
    assert figures is not None
    assert figures.ready == 20
    assert elasticity.replica_seconds(service(), Window(0, 9)) is None


def test_before_its_first_sample_a_service_counts_for_nothing() -> None:
    assert elasticity.integral(np.array([5.0]), np.array([2.0]), Window(0, 10)) == 10


def test_a_load_has_a_step_where_its_rate_changes_by_more_than_a_fifth() -> None:
    rates = [10.0] * 5 + [12.0] * 5 + [40.0] * 10 + [10.0] * 10
    assert elasticity.load_steps(load(*rates), Window(0, 30)) == (
        LoadStep(0, 0, 10),
        LoadStep(10, 10, 40),
        LoadStep(20, 40, 10),
    )


def test_a_ramp_of_users_is_one_step() -> None:
    rates = [10.0] * 5 + [20.0, 30.0, 40.0] + [40.0] * 8
    assert elasticity.load_steps(load(*rates), Window(1, 16)) == (LoadStep(5, 10, 40),)


def test_small_changes_add_up_to_a_step() -> None:
    rates = [10.0] * 10 + [11.5] * 10 + [13.0] * 10
    assert elasticity.load_steps(load(*rates), Window(1, 30)) == (LoadStep(20, 10, 13),)


def test_the_end_of_the_load_is_a_step_whether_or_not_samples_follow_it() -> None:
    assert elasticity.load_steps(load(*[10.0] * 10, 0.0, 0.0), Window(1, 30)) == (LoadStep(10, 10, 0),)
    assert elasticity.load_steps(load(*[10.0] * 10, NAN, users=0), Window(1, 30)) == (LoadStep(10, 10, 0),)
    assert elasticity.load_steps(load(*[10.0] * 10), Window(1, 30)) == (LoadStep(10, 10, 0),)


def test_closed_loop_load_has_no_steps() -> None:
    assert elasticity.load_steps(load(NAN, NAN), Window(0, 2)) == ()


def test_only_decisions_that_changed_the_scale_are_acts() -> None:
    table = decisions(
        {"t": 5, "before": 1, "desired": 1},
        {"t": 10, "before": 1, "desired": 3, "applied": 3, "applied_t": 10.5},
        {"t": 15, "before": 3, "desired": 4},  # a dry run, or it failed
        {"t": 20, "before": 3, "desired": 3, "applied": 3, "applied_t": 20.5},
        {"t": 99, "before": 3, "desired": 1, "applied": 1, "applied_t": 99.5},
    )
    assert elasticity.acts(table, Window(0, 50)) == (Act(10, 10.5, 1, 3, "because"),)


def test_a_step_is_answered_by_the_decision_the_swarm_and_the_replicas_in_turn() -> None:
    counts = service((0, 1, 1, 1), (30.2, 4, 1, 1), (31, 4, 4, 1), (33, 4, 4, 2), (36, 4, 4, 4))
    (answer,) = elasticity.step_responses([LoadStep(25, 10, 40)], [act(30, 1, 4)], counts, Window(0, 60))
    assert (answer.before, answer.after) == (1, 4)
    assert [answer.decided, answer.applied, answer.running, answer.ready, answer.settled] == pytest.approx(
        [5, 5.2, 6, 11, 11]
    )


def test_a_step_answered_in_two_goes_is_settled_with_the_second() -> None:
    counts = service((0, 1, 1, 1), (31, 2, 2, 1), (33, 2, 2, 2), (36, 4, 4, 2), (39, 4, 4, 4))
    acts = [act(30, 1, 2), act(35, 2, 4)]
    (answer,) = elasticity.step_responses([LoadStep(25, 10, 40)], acts, counts, Window(0, 60))
    assert (answer.before, answer.after, answer.ready, answer.settled) == (1, 4, 8, 14)


def test_a_step_is_settled_by_what_was_done_before_the_next_one() -> None:
    counts = service((0, 4, 4, 4), (80.5, 2, 2, 2), (105.5, 1, 1, 1))
    steps = [LoadStep(60, 40, 10), LoadStep(100, 10, 0)]
    acts = [act(80, 4, 2), act(105, 2, 1)]
    first, second = elasticity.step_responses(steps, acts, counts, Window(0, 150))
    assert (first.before, first.after, first.settled) == (4, 2, 20.5)
    assert (second.before, second.after, second.settled) == (2, 1, 5.5)


def test_a_late_answer_to_a_step_down_also_answers_the_next_one_down() -> None:
    counts = service((0, 4, 4, 4), (120.5, 1, 1, 1))
    steps = [LoadStep(60, 40, 10), LoadStep(90, 10, 0)]
    first, second = elasticity.step_responses(steps, [act(120, 4, 1)], counts, Window(0, 150))
    assert (first.decided, second.decided) == (60, 30)


def test_a_step_that_the_load_took_back_before_any_answer_has_none() -> None:
    steps = [LoadStep(10, 10, 40), LoadStep(20, 40, 10)]
    first, second = elasticity.step_responses(steps, [act(25, 1, 2)], service((0, 1, 1, 1)), Window(0, 60))
    assert first.decided is None
    assert second.decided is None


def test_replicas_that_never_came_up_have_no_time() -> None:
    (answer,) = elasticity.step_responses(
        [LoadStep(10, 10, 40)], [act(15, 1, 4)], service((0, 1, 1, 1), (16, 4, 4, 1)), Window(0, 60)
    )
    assert answer.running == 6
    assert answer.ready is None


def test_reversals_are_changes_of_direction() -> None:
    assert elasticity.reversals([]) == 0
    assert elasticity.reversals(["out", "out", "in", "in"]) == 1
    assert elasticity.reversals(["out", "in", "out"]) == 2


def test_failures_while_scaling_in_end_a_grace_period_after_the_replicas_are_gone() -> None:
    failed = {5: 1, 20: 2, 32: 4, 33: 8}
    counts = service((0, 4, 4, 4), (22, 1, 1, 1))
    table = load(*[10.0] * 50, failed=failed)
    assert elasticity.failures_while_scaling_in(table, [act(20, 4, 1)], counts, Window(0, 50)) == (2, 12.0)
    table = load(*[10.0] * 50, failed={31: 4, 32: 8})
    assert elasticity.failures_while_scaling_in(table, [act(20, 4, 1)], counts, Window(0, 50)) == (4, 12.0)
    assert elasticity.failures_while_scaling_in(table, [act(20, 1, 4)], counts, Window(0, 50)) == (0, 0.0)


def test_provisioning_compares_ready_replicas_with_those_the_load_needed() -> None:
    rates = [10.0] * 10 + [40.0] * 20 + [10.0] * 10
    counts = service((0, 1, 1, 1), (15, 4, 4, 4))  # 10 s right, 5 s three short, 15 s right, 10 s three over
    figures = elasticity.provisioning(load(*rates), counts, Window(0, 40), rate_a_replica=10.0)
    assert figures is not None
    assert figures.under_share == 5 / 40
    assert figures.over_share == 10 / 40
    assert figures.under_replicas == 5 * 3 / 40
    assert figures.over_replicas == 10 * 3 / 40


def test_provisioning_allows_a_tenth_before_another_replica_is_needed() -> None:
    counts = service((0, 1, 1, 1))
    tolerated = elasticity.provisioning(load(*[11.0] * 5), counts, Window(0, 5), rate_a_replica=10.0)
    needed = elasticity.provisioning(load(*[11.5] * 5), counts, Window(0, 5), rate_a_replica=10.0)
    assert tolerated is not None
    assert needed is not None
    assert (tolerated.under_share, needed.under_share) == (0, 1)


def test_at_least_one_replica_is_needed_when_the_load_is_over() -> None:
    figures = elasticity.provisioning(load(10.0), service((0, 1, 1, 1)), Window(0, 20), rate_a_replica=10.0)
    assert figures is not None
    assert (figures.under_share, figures.over_share) == (0, 0)


def test_provisioning_is_not_given_where_it_is_not_defined() -> None:
    counts = service((0, 1, 1, 1))
    assert elasticity.provisioning(load(NAN), counts, Window(0, 20), rate_a_replica=10.0) is None
    assert elasticity.provisioning(load(10.0), service(), Window(0, 20), rate_a_replica=10.0) is None
    assert elasticity.provisioning(load(10.0), counts, Window(20, 20), rate_a_replica=10.0) is None
