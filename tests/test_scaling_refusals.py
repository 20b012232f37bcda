"""What could never scale is refused before any load, and parameters that make no sense are refused by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from swarm_ext.errors import UserError
from swarm_ext.scaling import Bounds, Policy, ScalingPlan, TargetRate, TargetUtilisation, Threshold
from tests.scaling_services import service

if TYPE_CHECKING:
    from swarm_ext.model import ServiceState


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
