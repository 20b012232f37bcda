"""What holds for every policy, whatever the replicas use and however many are unknown."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from swarm_ext.scaling import ArrivalRate, Observation, Policy, TargetRate, TargetUtilisation, Threshold
from tests.scaling_services import derandomized, service, uses

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
