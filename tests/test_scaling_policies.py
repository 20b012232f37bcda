"""Policies and what bounds them: tables of named cases, and properties that hold for all."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from swarm_ext.errors import UserError
from swarm_ext.model import ServiceState, Task, UpdateState
from swarm_ext.scaling import (
    ArrivalRate,
    Bounds,
    Observation,
    Policy,
    Recommendation,
    ReplicaUse,
    ScalingPlan,
    TargetRate,
    TargetUtilisation,
    Threshold,
    bounds_from,
    noise_warning,
)
from swarm_ext.scaling.decision import Limits, decide, hands_off
from swarm_ext.scaling.ownership import Ownership
from swarm_ext.scaling.placement import Cap, Placement
from swarm_ext.scaling.stabilization import Floor, Stabilization

NOW = datetime(2026, 1, 1, tzinfo=UTC)
derandomized = settings(derandomize=True, deadline=None, max_examples=300)


def service(
    desired: int,
    *,
    limit: float | None = 0.5,
    reservation: float | None = None,
    update_state: UpdateState | None = None,
) -> ServiceState:
    return ServiceState(
        name="web",
        desired=desired,
        running=desired,
        ready=desired,
        pending=0,
        update_state=update_state,
        tasks=(),
        cpu_limit_cores=limit,
        cpu_reservation_cores=reservation,
        memory_limit_bytes=None,
        labels={},
    )


def uses(*cores: float, throttled: float = 0.0) -> tuple[ReplicaUse, ...]:
    return tuple(ReplicaUse(each, throttled) for each in cores)


@dataclass(frozen=True)
class Case:
    """Cores used by each measured replica (limit 0.5, target 60 %, so 0.3 cores are at the target)."""

    name: str
    desired: int
    cores: tuple[float, ...]
    replicas: int | None
    words: tuple[str, ...]
    stale: int = 0
    unseen: int = 0
    starting: int = 0
    throttled: float = 0.0
    policy: TargetUtilisation | Threshold = field(default_factory=TargetUtilisation)
    limit: float | None = 0.5
    reservation: float | None = None

    def recommend(self) -> Recommendation:
        seen = Observation(
            replicas=uses(*self.cores, throttled=self.throttled),
            stale=self.stale,
            unseen=self.unseen,
            starting=self.starting,
        )
        state = service(self.desired, limit=self.limit, reservation=self.reservation)
        return self.policy.recommend(seen, state)


TARGET_UTILISATION = [
    Case("at the target", 2, (0.3, 0.3), 2, ("cpu utilisation 60 % is within 10 % of the target 60 %",)),
    Case("just inside the tolerance above", 2, (0.33, 0.33), 2, ("within 10 %",)),
    Case("just outside the tolerance above", 2, (0.3301, 0.3301), 3, ("above the target",)),
    Case("just inside the tolerance below", 10, (0.27,) * 10, 10, ("within 10 %",)),
    Case("just outside the tolerance below", 10, (0.2699,) * 10, 9, ("below the target",)),
    Case("twice the target", 2, (0.45, 0.45), 3, ("cpu utilisation 90 % is above the target 60 %",)),
    Case("the mean counts, not the busiest", 3, (0.5, 0.3, 0.1), 3, ("60 %",)),
    Case("half the target", 4, (0.15,) * 4, 2, ("30 % is below the target 60 %",)),
    Case("an exact multiple is not rounded up", 4, (0.225,) * 4, 3, ("45 % is below",)),
    Case("idle", 5, (0.0,) * 5, 1, ("0 % is below",)),
    Case("below, but each replica is needed", 2, (0.2, 0.2), 2, ("but the load takes 2 replicas",)),
    Case("below, with a single replica", 1, (0.01,), 1, ("but one replica is the least",)),
    Case(
        "at the limit: a step by 1/target at most", 3, (0.5,) * 3, 5, ("at least 100 % (3 of 3 at the limit",)
    ),
    Case("almost at the limit", 2, (0.476, 0.1), 2, ("at least 58 % (1 of 2 at the limit",)),
    Case("not yet at the limit", 2, (0.474, 0.1), 2, ("cpu utilisation 57 %",)),
    Case("measured above the limit: jitter", 3, (9.0,) * 3, 5, ("at least 100 %",)),
    Case(
        "throttled most of the time", 2, (0.3, 0.3), 2, ("at least 60 % (2 of 2", "throttled"), throttled=0.8
    ),
    Case("throttled as small limits are", 2, (0.3, 0.3), 2, ("utilisation 60 %",), throttled=0.5),
    Case("no replica at all is ready", 2, (), None, ("no replica is ready yet (2 starting)",), starting=2),
    Case("nothing measured yet", 2, (), None, ("no samples yet",), unseen=2),
    Case("all samples stale", 3, (), None, ("samples are stale", "3 of 3"), stale=3),
    Case("most samples stale", 3, (0.5,), None, ("samples are stale", "2 of 3"), stale=2),
    Case("most not measured yet", 3, (0.5,), None, ("no samples yet of 2 of 3 ready replicas",), unseen=2),
    Case(
        "one missing while scaling out counts as idle",
        4,
        (0.5,) * 3,
        5,
        ("counting 1 stale as idle",),
        stale=1,
    ),
    Case(
        "one missing undoes scaling out",
        3,
        (0.36, 0.36),
        3,
        ("but not when counting 1 stale as idle",),
        stale=1,
    ),
    Case(
        "missing ones flip the direction: no change", 4, (0.34, 0.34), 4, ("but not when counting",), stale=2
    ),
    Case("one missing while scaling in counts as at target", 4, (0.1,) * 3, 2, ("1 stale as busy",), stale=1),
    Case(
        "one missing undoes scaling in",
        2,
        (0.26,),
        2,
        ("but not when counting 1 not measured yet",),
        unseen=1,
    ),
    Case("starting ones count as idle scaling out", 3, (0.5, 0.5), 4, ("1 starting as idle",), starting=1),
    Case("starting ones stop the next step out", 4, (0.5, 0.5), 4, ("but not when counting 2",), starting=2),
    Case("starting ones are not taken back at once", 4, (0.2, 0.2), 4, ("2 starting as busy",), starting=2),
    Case(
        "starting and stale are both told", 4, (0.5,) * 2, 4, ("1 stale and 1 starting",), stale=1, starting=1
    ),
    Case("unknown ones do not matter within the band", 3, (0.3, 0.3), 3, ("of the target 60 %",), starting=1),
    Case("more replicas run than are desired", 2, (0.5,) * 4, 7, ("above",)),
    Case("fewer desired than the load takes, while scaling in", 2, (0.2,) * 4, 2, ("below",)),
    Case("without a limit the reservation counts", 2, (0.6,) * 2, 4, ("120 %",), limit=None, reservation=0.5),
    Case(
        "usage far above a reservation", 2, (5.0,) * 2, 34, ("1000 % is above",), limit=None, reservation=0.5
    ),
    Case("the limit goes before the reservation", 2, (0.3,) * 2, 2, ("60 %",), limit=0.5, reservation=0.1),
    Case("neither limit nor reservation", 2, (0.3, 0.3), None, ("neither a CPU limit nor a",), limit=None),
    Case(
        "neither, but target cores",
        2,
        (0.3, 0.3),
        4,
        ("cpu usage per replica 0.3 cores is above the target 0.15 cores",),
        policy=TargetUtilisation(target_cores=0.15),
        limit=None,
    ),
    Case(
        "target cores go before the limit", 2, (0.1,) * 2, 4, (), policy=TargetUtilisation(target_cores=0.05)
    ),
    Case(
        "a tolerance of its own", 2, (0.4, 0.4), 2, ("within 40 %",), policy=TargetUtilisation(tolerance=0.4)
    ),
]

THRESHOLD = [
    Case("between", 2, (0.3, 0.3), 2, ("60 % is between the thresholds 30 % and 80 %",), policy=Threshold()),
    Case("exactly up", 2, (0.4, 0.4), 2, ("between",), policy=Threshold()),
    Case("exactly down", 2, (0.15, 0.15), 2, ("between",), policy=Threshold()),
    Case("above up", 2, (0.41, 0.41), 3, ("82 % is above the threshold 80 %",), policy=Threshold()),
    Case("below down", 3, (0.1,) * 3, 2, ("20 % is below the threshold 30 %",), policy=Threshold()),
    Case("a larger step", 4, (0.45,) * 4, 7, ("above",), policy=Threshold(step=3)),
    Case("never below one", 2, (0.01,) * 2, 1, ("below",), policy=Threshold(step=3)),
    Case("a single idle replica", 1, (0.01,), 1, ("one replica is the least",), policy=Threshold()),
    Case("at the limit", 1, (0.5,), 2, ("at least 100 %", "above"), policy=Threshold()),
    Case("starting ones undo it", 3, (0.45,) * 2, 3, ("1 starting as idle",), starting=1, policy=Threshold()),
    Case("missing ones undo it", 2, (0.1,), 2, ("1 stale as busy",), stale=1, policy=Threshold()),
    Case("stale", 2, (), None, ("samples are stale",), stale=2, policy=Threshold()),
    Case("no limit", 2, (0.1,) * 2, None, ("neither a CPU limit",), limit=None, policy=Threshold()),
]


@pytest.mark.parametrize(
    "case", TARGET_UTILISATION + THRESHOLD, ids=lambda case: f"{case.policy.metric}: {case.name}"
)
def test_replicas_follow_from_the_cpu_of_each(case: Case) -> None:
    recommended = case.recommend()

    assert recommended.replicas == case.replicas
    for words in case.words:
        assert words in recommended.why


RATE = [
    ("at the target", 2, ArrivalRate(40, "asked"), 2, "20/s (40/s asked) is within 10 % of the target 20/s"),
    ("just inside the tolerance", 2, ArrivalRate(44, "asked"), 2, "within"),
    ("just outside the tolerance", 2, ArrivalRate(44.1, "asked"), 3, "above the target 20/s"),
    ("a sudden crowd", 1, ArrivalRate(2000, "offered"), 100, "2000/s (2000/s offered) is above"),
    ("less", 4, ArrivalRate(41, "offered"), 3, "10.2/s (41/s offered) is below the target"),
    ("less, but not by a replica", 2, ArrivalRate(30, "asked"), 2, "but the load takes 2 replicas"),
    ("none", 4, ArrivalRate(0, "asked"), 1, "0/s (0/s asked) is below"),
]


@pytest.mark.parametrize(
    ("name", "desired", "rate", "replicas", "words"), RATE, ids=[case[0] for case in RATE]
)
def test_replicas_follow_from_the_arrival_rate(
    name: str, desired: int, rate: ArrivalRate, replicas: int, words: str
) -> None:
    recommended = TargetRate(per_replica=20).recommend(Observation(arrivals=rate), service(desired))

    assert recommended.replicas == replicas
    assert words in recommended.why


def test_starting_replicas_count_in_full_where_the_rate_alone_decides() -> None:
    seen = Observation(arrivals=ArrivalRate(80, "asked"), starting=3)

    assert TargetRate(per_replica=20).recommend(seen, service(4)).replicas == 4


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (Observation(), "no load samples yet"),
        (Observation(arrivals=ArrivalRate(9, "asked"), arrivals_are_stale=True), "load samples are stale"),
    ],
)
def test_without_fresh_load_samples_the_rate_policy_cannot_tell(seen: Observation, words: str) -> None:
    recommended = TargetRate(per_replica=20).recommend(seen, service(2))

    assert recommended.replicas is None
    assert recommended.why == words


def test_value_and_target_are_in_the_unit_of_the_metric() -> None:
    seen = Observation(replicas=uses(0.4, 0.2), arrivals=ArrivalRate(30, "asked"))
    figures = {
        policy.metric: (round(recommended.value or 0, 9), recommended.target)
        for policy in (TargetUtilisation(), TargetUtilisation(target_cores=0.2), TargetRate(per_replica=20))
        for recommended in [policy.recommend(seen, service(2))]
    }

    assert figures == {
        "cpu utilisation": (0.6, 0.6),
        "cpu usage per replica": (0.3, 0.2),
        "arrival rate per replica": (15.0, 20),
    }


loads = st.lists(st.floats(0, 0.5), min_size=1, max_size=8)
cpu_policies = st.sampled_from([TargetUtilisation(), TargetUtilisation(target_cores=0.1), Threshold()])


@derandomized
@given(
    cores=loads,
    factor=st.floats(1, 3),
    unknown=st.tuples(st.integers(0, 3), st.integers(0, 4)),
    policy=cpu_policies,
)
def test_more_load_never_asks_for_fewer_replicas(
    cores: list[float], factor: float, unknown: tuple[int, int], policy: Policy
) -> None:
    stale, starting = unknown
    state = service(len(cores) + stale + starting)
    less, more = (
        policy.recommend(Observation(replicas=uses(*busy), stale=stale, starting=starting), state).replicas
        for busy in (cores, [factor * each for each in cores])
    )

    assert (less is None) == (more is None)
    assert (less or 0) <= (more or 0)


@derandomized
@given(share=st.floats(0.9, 1.1), desired=st.integers(1, 50), starting=st.integers(0, 10))
def test_nothing_changes_within_the_tolerance(share: float, desired: int, starting: int) -> None:
    seen = Observation(replicas=uses(*[0.3 * share] * desired), starting=starting)

    assert TargetUtilisation().recommend(seen, service(desired)).replicas == desired
    rate = Observation(arrivals=ArrivalRate(20 * desired * share, "asked"))
    assert TargetRate(per_replica=20).recommend(rate, service(desired)).replicas == desired


@derandomized
@given(
    cores=st.lists(st.floats(0.01, 0.5), min_size=1, max_size=8),
    unknown=st.tuples(st.integers(0, 3), st.integers(0, 4)),
)
def test_replicas_of_which_nothing_is_known_never_make_it_act_more(
    cores: list[float], unknown: tuple[int, int]
) -> None:
    stale, starting = unknown
    desired = len(cores) + stale + starting
    known = TargetUtilisation().recommend(Observation(replicas=uses(*cores)), service(len(cores))).replicas
    seen = Observation(replicas=uses(*cores), stale=stale, starting=starting)
    recommended = TargetUtilisation().recommend(seen, service(desired)).replicas
    if known is None or recommended is None:
        return

    change, cautious = known - len(cores), recommended - desired
    assert abs(cautious) <= abs(change)
    assert change * cautious >= 0


# Refusals


@pytest.mark.parametrize(
    ("policy", "state", "words"),
    [
        (TargetUtilisation(), service(1, limit=None), "--target-cores"),
        (Threshold(), service(1, limit=None), "give it one under deploy.resources"),
        (TargetUtilisation(0.95), service(1), "choose a target of at most 86 % of the limit"),
        (TargetUtilisation(target_cores=0.5), service(1), "would never scale out"),
        (Threshold(up=1.2), service(1), "choose less than 1"),
    ],
)
def test_a_policy_that_could_never_work_is_refused_before_any_load(
    policy: Policy, state: ServiceState, words: str
) -> None:
    with pytest.raises(UserError, match=words) as refusal:
        policy.check(state)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("policy", "state"),
    [
        (TargetUtilisation(), service(1)),
        (TargetUtilisation(0.86), service(1)),
        (TargetUtilisation(), service(1, limit=None, reservation=0.1)),
        (TargetUtilisation(1.5), service(1, limit=None, reservation=0.1)),
        (TargetUtilisation(target_cores=0.1), service(1, limit=None)),
        (Threshold(), service(1)),
        (TargetRate(per_replica=5), service(1, limit=None)),
    ],
)
def test_a_policy_that_can_work_is_accepted(policy: Policy, state: ServiceState) -> None:
    policy.check(state)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: TargetUtilisation(0), "target is 0; it must be a number above 0"),
        (lambda: TargetUtilisation(float("nan")), "target is nan"),
        (lambda: TargetUtilisation(target_cores=-1), "target_cores is -1"),
        (lambda: TargetUtilisation(tolerance=1), "tolerance is 1"),
        (lambda: Threshold(up=0.3, down=0.3), "down is 0.3, not below up, 0.3"),
        (lambda: Threshold(step=0), "step is 0"),
        (lambda: TargetRate(per_replica=float("inf")), "per_replica is inf"),
        (lambda: Bounds(0, 3), "minimum is 0; it must be at least 1"),
        (lambda: Bounds(3, 2), "maximum is 2, below minimum, which is 3"),
        (lambda: plan(interval_seconds=0), "interval_seconds is 0"),
        (lambda: plan(scale_in_stabilization_seconds=-1), "scale_in_stabilization_seconds is -1"),
    ],
)
def test_a_parameter_that_makes_no_sense_is_refused_by_name(make: object, words: str) -> None:
    with pytest.raises(UserError, match=words):
        make()  # type: ignore[operator]


def plan(**seconds: float) -> ScalingPlan:
    return ScalingPlan(service="web", policy=TargetUtilisation(), bounds=Bounds(1, 2), **seconds)  # type: ignore[arg-type]


# Noise


def test_noise_above_the_tolerance_is_warned_of_with_the_window_that_would_do() -> None:
    warning = noise_warning(rate=4, window_seconds=15, tolerance=0.1)

    assert warning is not None
    assert "at 4 arrivals/s" in warning
    assert "by 13 %" in warning
    assert "a window of at least 25 s" in warning


@pytest.mark.parametrize(("rate", "tolerance"), [(100 / 15, 0.1), (50, 0.1), (0, 0.1), (1, 0)])
def test_noise_within_the_tolerance_is_not_mentioned(rate: float, tolerance: float) -> None:
    assert noise_warning(rate=rate, window_seconds=15, tolerance=tolerance) is None


# Bounds

MINIMUM, MAXIMUM = "swarm.autoscaler.minimum", "swarm.autoscaler.maximum"


@pytest.mark.parametrize(
    ("options", "labels", "bounds"),
    [
        ((None, None), {}, Bounds(1, 10)),
        ((None, None), {MINIMUM: "2", MAXIMUM: " 5 "}, Bounds(2, 5)),
        ((3, None), {MINIMUM: "2", MAXIMUM: "5"}, Bounds(3, 5)),
        ((3, 4), {MINIMUM: "2", MAXIMUM: "5"}, Bounds(3, 4)),
        ((3, 4), {MINIMUM: "abc", MAXIMUM: ""}, Bounds(3, 4)),
    ],
    ids=["defaults", "labels", "an option and a label", "options", "options over broken labels"],
)
def test_options_win_over_labels_and_labels_over_defaults(
    options: tuple[int | None, int | None], labels: dict[str, str], bounds: Bounds
) -> None:
    assert bounds_from(*options, labels, Bounds(1, 10)) == bounds


@pytest.mark.parametrize(
    ("options", "labels", "words"),
    [
        (
            (None, None),
            {MINIMUM: "abc"},
            "label swarm.autoscaler.minimum is 'abc'.*override it with --min-replicas",
        ),
        ((None, None), {MAXIMUM: "-3"}, "label swarm.autoscaler.maximum is '-3'"),
        ((None, None), {MAXIMUM: "2.5"}, "must be a whole number"),
        ((None, None), {MINIMUM: "0"}, "label swarm.autoscaler.minimum is 0; it must be at least 1"),
        ((0, None), {}, "--min-replicas is 0; it must be at least 1"),
        ((5, 4), {}, "--max-replicas is 4, below --min-replicas, which is 5"),
        ((5, None), {MAXIMUM: "4"}, "label swarm.autoscaler.maximum is 4, below --min-replicas"),
        ((12, None), {}, "the default of --max-replicas is 10, below --min-replicas, which is 12"),
    ],
)
def test_bounds_that_contradict_are_refused_by_where_they_came_from(
    options: tuple[int | None, int | None], labels: dict[str, str], words: str
) -> None:
    with pytest.raises(UserError, match=words):
        bounds_from(*options, labels, Bounds(1, 10))


# Decisions

UP_TO_TEN = Bounds(1, 10)


@dataclass(frozen=True)
class Decision:
    name: str
    current: int
    wanted: int | None
    replicas: int
    words: str
    bounds: Bounds = UP_TO_TEN
    floor: Floor | None = None
    cap: Cap | None = None


DECISIONS = [
    Decision("nothing to do", 2, 2, 2, "no change: because"),
    Decision("out", 2, 4, 4, "because"),
    Decision("in", 4, 2, 2, "because"),
    Decision(
        "a step doubles at most",
        5,
        40,
        10,
        "because; one step goes no further than 10 (wanted 40)",
        Bounds(1, 99),
    ),
    Decision("a small step reaches four", 1, 40, 4, "because; one step goes no further than 4 (wanted 40)"),
    Decision("above the maximum", 4, 7, 4, "capped at --max-replicas 4 (wanted 7); because", Bounds(1, 4)),
    Decision("up to the maximum", 3, 6, 4, "because; capped at --max-replicas 4 (wanted 6)", Bounds(1, 4)),
    Decision("below the minimum", 2, 1, 2, "kept at --min-replicas 2 (wanted 1); because", Bounds(2, 4)),
    Decision("found above the maximum", 6, None, 4, "capped at --max-replicas 4 (found 6)", Bounds(1, 4)),
    Decision("found below the minimum", 1, None, 2, "kept at --min-replicas 2 (found 1)", Bounds(2, 4)),
    Decision("cannot tell", 3, None, 3, "held: because"),
    Decision(
        "scaling in waits", 4, 1, 4, "scaling in waits: peak (wanted 1); because", floor=Floor(6, "peak")
    ),
    Decision(
        "scaling in goes as far", 4, 1, 3, "because; scaling in further waits: peak", floor=Floor(3, "peak")
    ),
    Decision("scaling out does not wait", 4, 5, 5, "because", floor=Floor(9, "peak")),
    Decision(
        "the maximum goes before waiting",
        6,
        2,
        4,
        "capped at --max-replicas 4",
        Bounds(1, 4),
        Floor(6, "peak"),
    ),
    Decision("not to be placed", 2, 4, 3, "capped at 3: the swarm cannot place more", cap=Cap(3, "no room")),
    Decision("placed less than desired", 5, 5, 3, "(no room; wanted 5)", cap=Cap(3, "no room")),
    Decision("the minimum goes before placing", 2, 4, 2, "capped at 2", Bounds(2, 4), cap=Cap(1, "no room")),
    Decision("cannot tell, so nothing is taken back", 5, None, 5, "held: because", cap=Cap(3, "no room")),
]


@pytest.mark.parametrize("case", DECISIONS, ids=lambda case: case.name)
def test_a_recommendation_is_bounded(case: Decision) -> None:
    recommended = Recommendation(replicas=case.wanted, why="because")
    verdict = decide(recommended, case.current, Limits(bounds=case.bounds, floor=case.floor, cap=case.cap))

    assert verdict.replicas == case.replicas
    assert case.words in verdict.reason


@derandomized
@given(
    current=st.integers(1, 200),
    wanted=st.none() | st.integers(1, 10_000),
    bounds=st.tuples(st.integers(1, 50), st.integers(0, 50)),
    floor=st.none() | st.integers(1, 300),
    cap=st.none() | st.integers(1, 300),
)
def test_the_bounds_are_never_left(
    current: int, wanted: int | None, bounds: tuple[int, int], floor: int | None, cap: int | None
) -> None:
    lowest, more = bounds
    limits = Limits(
        bounds=Bounds(lowest, lowest + more),
        floor=None if floor is None else Floor(floor, "peak"),
        cap=None if cap is None else Cap(cap, "no room"),
    )
    verdict = decide(Recommendation(replicas=wanted, why="because"), current, limits)

    assert lowest <= verdict.replicas <= lowest + more
    assert verdict.reason


@pytest.mark.parametrize("state", ["updating", "paused", "rollback_started", "rollback_paused"])
def test_a_service_in_the_middle_of_an_update_is_left_alone(state: UpdateState) -> None:
    assert f"({state})" in (hands_off(service(2, update_state=state)) or "")


@pytest.mark.parametrize("state", [None, "completed", "rollback_completed"])
def test_a_service_whose_update_is_over_is_scaled(state: UpdateState | None) -> None:
    assert hands_off(service(2, update_state=state)) is None


def test_no_replicas_means_disabled() -> None:
    assert (hands_off(service(0)) or "").startswith("disabled: the service has 0 replicas")


# Stabilization


def test_the_floor_is_the_highest_of_the_window() -> None:
    stabilization = Stabilization(60, 5)
    stabilization.recommended(3, current=3, now=0)
    stabilization.recommended(7, current=3, now=30)
    wanted = [stabilization.recommended(2, current=7, now=now) for now in (35, 60, 85, 90, 95)]

    assert [floor.replicas if floor else None for floor in wanted] == [7, 7, 7, 2, 2]
    assert wanted[0] is not None
    assert wanted[0].why == "highest recommendation of the last 60 s is 7"


def test_a_start_counts_as_a_recommendation_of_what_was_found() -> None:
    floor = Stabilization(60, 5).recommended(1, current=4, now=1000)

    assert floor == Floor(4, "less than 60 s have passed since scaling began")


def test_after_half_a_window_of_silence_it_starts_anew() -> None:
    stabilization = Stabilization(60, 5)
    for now in range(0, 100, 5):
        stabilization.recommended(1, current=1, now=now)
    after_a_gap = stabilization.recommended(1, current=4, now=120)
    after_a_silence = stabilization.recommended(1, current=4, now=151)

    assert after_a_gap is not None
    assert after_a_gap.replicas == 1
    assert after_a_silence is not None
    assert after_a_silence.replicas == 4


@pytest.mark.parametrize("window", [0.0, 1.0, 5.0])
def test_a_window_shorter_than_the_interval_does_not_stop_scaling_in(window: float) -> None:
    stabilization = Stabilization(window, 5)
    stabilization.recommended(4, current=4, now=0)
    floor = stabilization.recommended(1, current=4, now=5)

    assert floor is None or floor.replicas == 1


@derandomized
@given(
    wishes=st.lists(st.integers(1, 20), min_size=1, max_size=60), window=st.sampled_from([15.0, 60.0, 300.0])
)
def test_scaling_in_never_comes_before_the_window_has_passed(wishes: list[int], window: float) -> None:
    stabilization = Stabilization(window, 5)
    current, high_at = 10, {10: 0.0}
    for turn, wish in enumerate(wishes):
        now = 5.0 * turn
        floor = stabilization.recommended(wish, current, now)
        limits = Limits(bounds=Bounds(1, 20), floor=floor)
        replicas = decide(Recommendation(replicas=wish, why="because"), current, limits).replicas
        high_at[wish] = now
        if replicas < current:
            assert all(now - at >= window for wished, at in high_at.items() if wished > replicas)
        current = replicas


def test_memory_holds_one_window_of_recommendations() -> None:
    stabilization = Stabilization(60, 5)
    for turn in range(1000):
        stabilization.recommended(turn % 7 + 1, current=3, now=5.0 * turn)

    assert len(stabilization._noted) <= 13


# What the swarm cannot place


def crowded(desired: int, pending: int, error: str | None = "no room") -> ServiceState:
    tasks = [
        Task(
            id=f"task{number}",
            slot=number,
            node="",
            container_id=None,
            state="pending" if number <= pending else "running",
            desired_state="running",
            ready=number > pending,
            since=NOW,
            error=error if number <= pending else None,
        )
        for number in range(1, desired + 1)
    ]
    return structs.replace(service(desired), tasks=tuple(tasks), running=desired - pending)


def test_a_task_that_waits_for_a_node_for_thirty_seconds_caps_the_service() -> None:
    placement = Placement()

    assert placement.see(crowded(5, pending=2), now=0) is None
    assert placement.see(crowded(5, pending=2), now=30) is None
    assert placement.see(crowded(5, pending=2), now=31) == Cap(3, "no room")


def test_each_pending_task_has_thirty_seconds_of_its_own() -> None:
    placement = Placement()
    placement.see(crowded(4, pending=1), now=0)
    placement.see(crowded(4, pending=0), now=25)

    assert placement.see(crowded(4, pending=1), now=31) is None


def test_the_cap_holds_for_two_minutes_and_rises_with_what_runs() -> None:
    placement = Placement()
    placement.see(crowded(5, pending=2, error=None), now=0)
    placement.see(crowded(5, pending=2, error=None), now=31)

    assert placement.see(crowded(3, pending=0), now=100) == Cap(3, "it gives no reason")
    assert placement.see(crowded(4, pending=0), now=150) == Cap(4, "it gives no reason")
    assert placement.see(crowded(4, pending=0), now=151) is None


def test_at_least_one_replica_is_asked_for_though_none_can_be_placed() -> None:
    placement = Placement()
    placement.see(crowded(2, pending=2), now=0)

    assert placement.see(crowded(2, pending=2), now=31) == Cap(1, "no room")


# Whose change it was


def changes(*found: tuple[float, int], asked: int | None = None) -> list[str | None]:
    ownership = Ownership()
    if asked is not None:
        ownership.asks_for(asked)
    return [ownership.found(desired, now) for now, desired in found]


def test_what_was_asked_for_is_nobody_elses_change() -> None:
    assert changes((0, 2), (5, 2), (10, 4), (15, 4), asked=4) == [None] * 4


def test_a_change_that_was_not_asked_for_is_told_once() -> None:
    assert changes((0, 2), (5, 3), (10, 3)) == [None, "adopted 3, set by somebody else (was 2)", None]


def test_somebody_else_may_also_set_what_was_asked_for_long_ago() -> None:
    assert changes((0, 2), (5, 4), (10, 1), (15, 4), asked=4)[2:] == [
        "adopted 1, set by somebody else (was 4)",
        "adopted 4, set by somebody else (was 1)",
    ]


def test_three_changes_within_two_minutes_look_like_a_fight() -> None:
    quick = changes((0, 1), (10, 2), (50, 3), (130, 4))[-1]
    slow = changes((0, 1), (10, 2), (50, 3), (131, 4))[-1]

    assert quick is not None
    assert "3 such changes within 120 s: two scalers may be fighting" in quick
    assert slow == "adopted 4, set by somebody else (was 3)"
