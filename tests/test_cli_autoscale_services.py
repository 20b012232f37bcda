"""Which services `swarm-ext autoscale` scales, as they come, go, and are labelled anew."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec
import pytest

from swarm_ext.model import ServiceState
from swarm_ext.scaling import ScalingPlan, TargetUtilisation, bounds_from
from swarm_ext.scaling_plan import DEFAULT_BOUNDS
from swarm_ext.swarm import SwarmError, UnknownServiceError
from swarm_ext.without_load.scaling import Scaling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from swarm_ext.model import Node, ScalingDecision, ServiceSample

ENABLED = {"swarm.autoscaler": "true"}


def service(name: str, desired: int = 1, limit: float | None = 0.25, **labels: str) -> ServiceState:
    return ServiceState(
        name=name,
        desired=desired,
        running=desired,
        ready=desired,
        pending=0,
        update_state=None,
        tasks=(),
        cpu_limit_cores=limit,
        cpu_reservation_cores=None,
        memory_limit_bytes=None,
        labels={**ENABLED, **{f"swarm.autoscaler.{name}": value for name, value in labels.items()}},
    )


@dataclass
class SwarmOfServices:
    """A swarm in memory whose replicas are there at once."""

    states: dict[str, ServiceState] = field(default_factory=dict)
    broken: bool = False
    broken_services: set[str] = field(default_factory=set)
    kind: str = "simulated"

    def put(self, *states: ServiceState) -> None:
        self.states.update({state.name: state for state in states})

    def nodes(self) -> Sequence[Node]:
        return ()

    def services(self) -> Sequence[str]:
        if self.broken:
            raise SwarmError("the engine does not answer")
        return sorted(self.states)

    def service(self, name: str) -> ServiceState:
        if self.broken or name in self.broken_services:
            raise SwarmError("the engine does not answer")
        if name not in self.states:
            raise UnknownServiceError(f"there is no {name}")
        return self.states[name]

    def scale(self, name: str, replicas: int) -> None:
        self.states[name] = msgspec.structs.replace(
            self.states[name], desired=replicas, running=replicas, ready=replicas
        )

    def close(self) -> None:
        pass


def plan(state: ServiceState) -> ScalingPlan:
    policy = TargetUtilisation()
    policy.check(state)
    return ScalingPlan(
        service=state.name,
        policy=policy,
        bounds=bounds_from(None, None, state.labels, DEFAULT_BOUNDS),
    )


@dataclass
class Heard:
    decisions: list[ScalingDecision] = field(default_factory=list)
    samples: list[ServiceSample] = field(default_factory=list)

    @property
    def reasons(self) -> list[str]:
        return [decision.reason for decision in self.decisions]


@pytest.fixture
def swarm() -> SwarmOfServices:
    return SwarmOfServices()


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def scaling(swarm: SwarmOfServices, heard: Heard) -> Scaling:
    return Scaling(
        "run",
        swarm,
        swarm.services,
        plan,
        interval_seconds=5.0,
        on_decision=heard.decisions.append,
        on_service_samples=heard.samples.extend,
    )


def test_services_that_come_and_go_are_followed(swarm: SwarmOfServices, scaling: Scaling) -> None:
    swarm.put(service("web"))
    scaling.refresh()
    assert scaling.services == ["web"]
    swarm.put(service("api"))
    scaling.refresh()
    assert scaling.services == ["api", "web"]
    del swarm.states["web"]
    scaling.refresh()
    assert scaling.services == ["api"]


@pytest.mark.parametrize("value", ["false", "", "yes", "1"])
def test_only_the_word_true_asks_for_scaling(swarm: SwarmOfServices, scaling: Scaling, value: str) -> None:
    swarm.put(msgspec.structs.replace(service("web"), labels={"swarm.autoscaler": value}))
    swarm.put(msgspec.structs.replace(service("api"), labels={"swarm.autoscaler": " True "}))
    scaling.refresh()
    assert scaling.services == ["api"]


def test_bounds_are_the_labels_and_change_with_them(
    swarm: SwarmOfServices, scaling: Scaling, heard: Heard
) -> None:
    swarm.put(service("web", minimum="2", maximum="3"))
    scaling.refresh()
    scaling.evaluate()
    assert swarm.states["web"].desired == 2
    swarm.put(service("web", desired=2, minimum="3", maximum="5"))
    scaling.refresh()
    scaling.evaluate()
    assert swarm.states["web"].desired == 3
    assert [decision.id for decision in heard.decisions] == ["web-000001", "web-000002"]


def test_a_service_that_is_not_labelled_anew_goes_on_with_what_it_knows(
    swarm: SwarmOfServices, scaling: Scaling
) -> None:
    swarm.put(service("web"))
    scaling.refresh()
    before = scaling._scaled["web"]
    swarm.put(service("web", desired=3))
    scaling.refresh()
    assert scaling._scaled["web"] is before


def test_a_service_that_cannot_be_scaled_is_told_once_and_taken_when_it_can(
    swarm: SwarmOfServices, scaling: Scaling, heard: Heard, caplog: pytest.LogCaptureFixture
) -> None:
    swarm.put(service("web", limit=None), service("api"))
    for _ in range(3):
        scaling.refresh()
    assert scaling.services == ["api"]
    (reason,) = heard.reasons
    assert reason.startswith("not scaled: service 'web' has neither a CPU limit nor a reservation")
    assert caplog.text.count("web: not scaled") == 1
    swarm.put(service("web"))
    scaling.refresh()
    assert scaling.services == ["api", "web"]
    swarm.put(service("web", limit=None))
    scaling.refresh()
    assert len(heard.reasons) == 2


def test_labels_that_become_wrong_stop_the_scaling_of_that_service_alone(
    swarm: SwarmOfServices, scaling: Scaling, heard: Heard
) -> None:
    swarm.put(service("web"), service("api"))
    scaling.refresh()
    swarm.put(service("web", maximum="many"))
    scaling.refresh()
    assert scaling.services == ["api"]
    assert "swarm.autoscaler.maximum is 'many'" in heard.reasons[-1]


def test_a_manager_that_does_not_answer_changes_nothing_and_is_told_once(
    swarm: SwarmOfServices, scaling: Scaling, heard: Heard, caplog: pytest.LogCaptureFixture
) -> None:
    swarm.put(service("web"))
    scaling.refresh()
    swarm.broken = True
    for _ in range(5):
        scaling.refresh()
        scaling.evaluate()
    assert scaling.services == ["web"]
    assert caplog.text.count("services to scale: the engine does not answer") == 1
    assert {decision.reason for decision in heard.decisions} == {"failed: the engine does not answer"}
    swarm.broken = False
    for _ in range(3):
        scaling.refresh()
    assert "services to scale: works again" in caplog.text
    assert [trouble.source for trouble in scaling.stop()] == ["services to scale", "autoscaler"]


def test_one_service_that_cannot_be_looked_at_does_not_cost_the_others(
    swarm: SwarmOfServices, scaling: Scaling
) -> None:
    swarm.put(service("web"), service("api"))
    scaling.refresh()
    swarm.broken_services.add("api")
    swarm.put(service("new"))
    scaling.refresh()
    assert scaling.services == ["api", "new", "web"]


def test_a_state_is_kept_when_it_changes_and_not_every_second(
    swarm: SwarmOfServices, scaling: Scaling, heard: Heard
) -> None:
    swarm.put(service("web"))
    scaling.refresh()
    for desired in (1, 1, 1, 2, 2):
        swarm.put(service("web", desired=desired))
        scaling._look()
    assert [sample.desired for sample in heard.samples] == [1, 2]
