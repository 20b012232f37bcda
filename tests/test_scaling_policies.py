"""Policies: tables of named cases, what is measured in and how many replicas out."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from swarm_ext.scaling import (
    ArrivalRate,
    Observation,
    Recommendation,
    TargetRate,
    TargetUtilisation,
    Threshold,
)
from tests.scaling_services import service, uses


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
