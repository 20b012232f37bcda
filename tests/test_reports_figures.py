"""The figures of a whole run, from its store to its verdict."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import pytest

from reports.figures import Figures, figures, rate_a_replica
from reports.frames import RunFrames, read
from reports.shares import ReplicaShare
from reports.verdict import Verdict, verdict
from swarm_ext.model import (
    ArrivalCheck,
    ArrivalProcessRecord,
    ContainerSample,
    LoadSample,
    Record,
    Run,
    ScalingDecision,
    Totals,
)
from swarm_ext.slo import Slo
from swarm_ext.store import Store, open_store
from tests.synthetic_run import LIMIT_CORES, START, TARGET, SyntheticRun, synthetic_run

SLO = Slo(0.5, 0.95)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path}/runs.db")
    yield opened
    opened.close()


@pytest.fixture
def frames(store: Store) -> RunFrames:
    return read(store, synthetic_run().write(store).id)


def judged(store: Store, made: SyntheticRun, slo: Slo | None = SLO) -> tuple[Figures, Verdict]:
    run = made.write(store)
    facts = figures(read(store, run.id), slo)
    return facts, verdict(run, facts)


def changed(made: SyntheticRun, **changes: Any) -> SyntheticRun:
    return replace(made, run=msgspec.structs.replace(made.run, **changes))


def without(made: SyntheticRun, *kinds: type[Record]) -> SyntheticRun:
    return replace(made, records=tuple(r for r in made.records if not isinstance(r, kinds)))


def said(result: Verdict, *tones: str) -> str:
    return "\n".join(f.text for f in result.findings if not tones or f.tone in tones)


def test_the_figures_of_a_known_run(frames: RunFrames) -> None:
    facts = figures(frames, SLO)
    loads = [r for r in synthetic_run().records if isinstance(r, LoadSample)]
    assert facts.window.seconds == 120
    assert facts.accounting.offered == sum(s.offered for s in loads)
    assert facts.accounting.unaccounted == 0
    assert facts.response.count == sum(s.completed for s in loads if s.phase != "warm-up")
    assert facts.path == (1, 4, 1)
    assert [act.after for act in facts.acts] == [2, 4, 2, 1]
    assert (facts.reversals, facts.load_reversals) == (1, 1)
    assert [(r.step.at, r.step.before, r.step.after) for r in facts.steps] == [
        (25, 10, 40), (55, 40, 10), (100, 10, 0)
    ]  # fmt: skip
    assert facts.steps[0].ready == pytest.approx(9)
    assert facts.failures_scaling_in[0] == 4
    assert facts.replica_seconds is not None
    # desired: 1 for 25.2 s, 2 for 5 s, 4 for 45 s, 2 for 25 s, 1 for 19.8 s
    assert facts.replica_seconds.desired == pytest.approx(25.2 + 10 + 180 + 50 + 19.8)
    assert len(facts.replicas) == 5
    assert sum(replica.request_share or 0 for replica in facts.replicas) == pytest.approx(1)
    assert facts.core_seconds is not None
    assert facts.core_seconds.allocated == pytest.approx(
        LIMIT_CORES * sum(replica.seen_seconds for replica in facts.replicas)
    )


def test_used_core_seconds_are_those_that_the_containers_counted(frames: RunFrames) -> None:
    facts = figures(frames, SLO)
    assert facts.core_seconds is not None
    rates = frames.containers[frames.containers["t"] > facts.window.start]
    gaps = rates.groupby("container")["t"].diff()
    assert facts.core_seconds.used == pytest.approx(float((rates["cores"] * gaps).sum()), rel=0.02)


def test_arrivals_as_asked_are_accepted_and_others_are_not(store: Store) -> None:
    facts, result = judged(store, synthetic_run())
    assert facts.arrivals is not None
    assert facts.arrivals.rate_accepted
    assert facts.arrivals.gaps_accepted
    assert "as asked" in said(result, "good")

    too_few = ArrivalCheck(observed=900, expected=1000.0, uniforms=(90,) * 10)
    _, result = judged(store, changed(synthetic_run(), arrival_check=too_few))
    assert "900 instead of 1,000, 3.2 standard deviations fewer" in said(result, "bad")

    regular = ArrivalCheck(observed=1000, expected=1000.0, uniforms=(0,) * 5 + (200,) * 5)
    _, result = judged(store, changed(synthetic_run(), arrival_check=regular))
    assert "gaps between arrivals do not follow" in said(result, "bad")


def test_load_without_a_law_of_chance_is_not_tested(store: Store) -> None:
    constant = ArrivalCheck(observed=500, expected=None, uniforms=None)
    facts, result = judged(store, changed(synthetic_run(), arrival_check=constant))
    assert facts.arrivals is not None
    assert not facts.arrivals.applicable
    assert "as asked" not in said(result)


def replay(fired: int, due: int) -> dict[str, Any]:
    process = ArrivalProcessRecord(
        kind="replay", description="200 recorded arrivals of a.csv", rate=None, recorded=200
    )
    check = ArrivalCheck(observed=fired, expected=float(due), uniforms=None)
    return {"arrival_process": process, "arrival_check": check}


@pytest.mark.parametrize(
    ("fired", "due", "tone", "words"),
    [
        (200, 200, "good", "Of 200 recorded arrivals each was fired once."),
        (199, 200, "bad", "not each was fired once: 199 arrivals were fired"),
        (203, 200, "bad", "not each was fired once: 203 arrivals were fired"),
        (120, 121, "plain", "cut short: 121 of 200 recorded arrivals were due, and 120 were fired"),
        (60, 121, "bad", "cut short: 121 of 200 recorded arrivals were due, and 60 were fired"),
    ],
)
def test_a_replay_is_judged_by_counts_and_not_by_chance(
    store: Store, fired: int, due: int, tone: str, words: str
) -> None:
    facts, result = judged(store, changed(synthetic_run(), **replay(fired, due)))
    assert facts.arrivals is None
    assert words in said(result, tone)
    assert "as asked" not in said(result)


def test_a_late_generator_makes_the_figures_invalid_before_anything_else(store: Store) -> None:
    facts, result = judged(store, synthetic_run(lag_seconds=0.03))
    assert facts.late
    assert (result.tone, result.headline) == (
        "bad",
        "These figures are not valid: the load generator was the bottleneck.",
    )


def test_a_service_that_always_met_its_slo_is_told_so(store: Store) -> None:
    quiet = synthetic_run(steps=((0, 5.0),), scaling=(), crash_at=None)
    facts, result = judged(store, quiet, Slo(60.0, 0.95))
    assert facts.slo is not None
    assert facts.slo.violated_seconds == 0
    assert result.headline == "The service met its SLO all the time."


def test_the_headline_tells_how_long_the_slo_was_met_and_how_it_was_scaled(store: Store) -> None:
    facts, result = judged(store, synthetic_run())
    assert facts.slo is not None
    share = round(100 * (1 - facts.slo.violated_seconds / facts.slo.judged_seconds))
    assert result.headline == f"The service met its SLO for {share} % of the time; it was scaled 1 → 4 → 1."
    assert result.tone == "bad"


def test_without_an_slo_the_verdict_is_on_answers(store: Store) -> None:
    facts, result = judged(store, synthetic_run(), None)
    assert facts.slo is None
    assert result.headline.startswith("The service answered 99.6 % of 1,887 arrivals")
    assert "No SLO was given" in said(result)


def test_the_embedded_swarm_is_never_presented_as_docker(store: Store) -> None:
    _, embedded = judged(store, synthetic_run())
    _, docker = judged(store, synthetic_run(swarm="docker", run_id="other"))
    assert "not in Docker" in said(embedded)
    assert "M/G/c" in said(embedded)
    assert "Docker" not in said(docker)


def test_measurements_that_are_missing_are_told(store: Store) -> None:
    facts, result = judged(store, without(synthetic_run(), ContainerSample))
    assert facts.core_seconds is None
    assert "No container was measured" in said(result, "warning")


def test_measurements_that_pause_are_told(store: Store) -> None:
    made = synthetic_run()
    kept = tuple(
        r
        for r in made.records
        if not (
            isinstance(r, ContainerSample) and r.slot == 1 and 10 < (r.timestamp - START).total_seconds() < 20
        )
    )
    facts, result = judged(store, replace(made, records=kept))
    assert facts.sampling_gaps == 1
    assert "pause 1 time" in said(result, "warning")


def test_a_run_that_was_cut_off_is_judged_by_what_there_is(store: Store) -> None:
    made = changed(synthetic_run(), exit_status="running", totals=None, end=None, arrival_check=None)
    facts, result = judged(store, made)
    assert facts.accounting.offered == 1887
    assert not facts.accounting.final
    assert "has not ended" in said(result, "warning")


def test_arrivals_that_are_not_accounted_for_are_told(store: Store) -> None:
    _, result = judged(store, changed(synthetic_run(), totals=Totals(offered=10, completed=8)))
    assert "2 arrivals are not accounted for" in said(result, "bad")


def test_an_autoscaler_that_did_nothing_and_none_at_all_are_told_apart(store: Store) -> None:
    _, idle = judged(store, synthetic_run(scaling=()))
    assert "changed nothing" in said(idle)
    _, none = judged(store, without(synthetic_run(scaling=(), run_id="b"), ScalingDecision))
    assert "No autoscaler was at work; the service stayed at 1 replica." in said(none)


def test_a_run_that_was_to_have_no_load_is_judged_over_all_its_time_and_blamed_for_nothing(
    store: Store,
) -> None:
    loaded = synthetic_run()
    watched = without(
        changed(
            loaded,
            options={"command": "autoscale"},
            arrival_process=None,
            totals=None,
            phases=(),
            arrival_check=None,
        ),
        LoadSample,
    )
    facts, result = judged(store, watched)
    assert facts.without_load
    assert facts.window.seconds > 0
    assert facts.replica_seconds is not None
    assert facts.replica_seconds.ready > 0
    assert result.tone == "plain"
    assert result.headline.startswith(
        "The service was watched, without a load of this run's own, and scaled 1 → "
    )


def test_a_run_without_anything_is_told_in_one_sentence(store: Store) -> None:
    run = Run(id="empty", start=START)
    store.put_run(run)
    facts = figures(read(store, "empty"), SLO)
    result = verdict(run, facts)
    assert result.headline == "No load was recorded in this run."
    assert facts.replicas == ()
    assert facts.steps == ()


def test_a_run_that_never_left_its_warm_up_is_told(store: Store) -> None:
    made = synthetic_run(warm_up=20, load=0, settle=0, scaling=())
    facts, result = judged(store, made)
    assert facts.window.seconds == 0
    assert "beyond its warm-up" in said(result, "warning")


def replica(limit: float | None) -> ReplicaShare:
    return ReplicaShare("a", "a", "n", 1.0, 1.0, None, None, limit, None, None, None, None)


@pytest.mark.parametrize(
    ("metric", "target", "limits", "rate"),
    [
        ("arrival rate per replica", 8.0, [0.5], 8.0),
        ("cpu utilisation", TARGET, [0.5, 0.5], 0.6 * 0.5 / 0.03),
        ("cpu usage per replica", 0.2, [None], 0.2 / 0.03),
        ("cpu utilisation", TARGET, [0.5, 1.0], None),
        ("cpu utilisation", TARGET, [None], None),
        ("queue length", 3.0, [0.5], None),
    ],
)
def test_what_one_replica_takes_at_the_target(
    metric: str, target: float, limits: list[float | None], rate: float | None
) -> None:
    decisions = pd.DataFrame({"metric": [metric], "target": [target]})
    found = rate_a_replica(decisions, tuple(replica(limit) for limit in limits), 0.03)
    assert found == (None if rate is None else pytest.approx(rate))


def test_without_a_target_nothing_is_over_or_under_it() -> None:
    assert rate_a_replica(pd.DataFrame({"metric": [], "target": []}), (), 0.03) is None
    nothing_answered = pd.DataFrame({"metric": ["cpu utilisation"], "target": [0.6]})
    assert rate_a_replica(nothing_answered, (replica(0.5),), None) is None
