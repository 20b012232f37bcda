"""Changing the replicas of a service on a real swarm, and nothing else of it."""

from __future__ import annotations

import json
import re
import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from swarm_ext.scaling import Autoscaler, Bounds, Recommendation, ScalingPlan
from swarm_ext.scaling.placement import PENDING_TOO_LONG_SECONDS
from swarm_ext.swarm import ScalingHeldError, SwarmError
from swarm_ext.swarm.docker_connection import DockerConnection
from swarm_ext.swarm.docker_swarm import DockerSwarm
from tests.integration.bed.swarm import until
from tests.integration.docker_services import containers, converged, docker_swarm, service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from swarm_ext.model import ScalingDecision, ServiceState
    from swarm_ext.scaling import Observation
    from tests.integration.bed.swarm import Bed

RICH = (
    "--replicas=2", "--limit-cpu=0.1", "--limit-memory=64M", "--reserve-cpu=0.05", "--label=swarm.autoscaler=true",
    "--container-label=part=web", "--env=A=1", "--stop-grace-period=2s", "--update-delay=1s", "--update-monitor=1s",
    "--update-parallelism=1", "--update-max-failure-ratio=0.3", "--constraint=node.platform.os==linux",
    "--placement-pref=spread=node.id", "--restart-delay=1s", "--log-opt=max-size=1m", "--dns-option=ndots:1",
)  # fmt: skip


@pytest.fixture(scope="module")
def swarm(bed: Bed) -> Iterator[DockerSwarm]:
    with docker_swarm(bed) as found:
        yield found


def _stored(bed: Bed, name: str) -> dict[str, Any]:
    """The service's specification as the engine gives it when no defaults are asked for."""
    with docker_swarm(bed) as swarm:
        specification: dict[str, Any] = json.loads(swarm._connection.get(f"/services/{name}"))["Spec"]
    return specification


def _canonical(specification: dict[str, Any], replicas: int) -> str:
    specification["Mode"]["Replicated"]["Replicas"] = replicas
    return json.dumps(specification, sort_keys=True)


def test_running_tasks_survive_the_first_scaling_out_and_in_and_all_else_of_the_specification_stays(
    bed: Bed, swarm: DockerSwarm
) -> None:
    with service(bed, "kept", *RICH):
        before = containers(converged(swarm, "kept", 2))
        specification = _stored(bed, "kept")
        swarm.scale("kept", 4)
        four = containers(converged(swarm, "kept", 4))
        assert before < four
        assert _canonical(_stored(bed, "kept"), 4) == _canonical(specification, 4)
        swarm.scale("kept", 1)
        assert containers(converged(swarm, "kept", 1)) < four
        assert _canonical(_stored(bed, "kept"), 2) == _canonical(specification, 2)


def test_asking_for_the_replicas_that_there_are_writes_nothing(bed: Bed, swarm: DockerSwarm) -> None:
    with service(bed, "same", "--replicas=1"):
        converged(swarm, "same", 1)
        before = bed.service("same")["Version"]
        swarm.scale("same", 1)
        assert bed.service("same")["Version"] == before


class _Interrupted(DockerConnection):
    """A connection on which somebody else is quicker, once or more often: between our reading and our writing."""

    def __init__(self, somebody_else: Callable[[], object], times: int = 1) -> None:
        super().__init__()
        self._somebody_else = somebody_else
        self._left = times

    def post(self, path: str, body: bytes, **query: str) -> bytes:
        if self._left:
            self._left -= 1
            self._somebody_else()
        return super().post(path, body, **query)


@pytest.fixture
def manager_by_environment(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", bed.manager.docker_host)


@pytest.mark.usefixtures("manager_by_environment")
def test_a_label_that_somebody_else_sets_meanwhile_survives_and_so_does_the_scaling(
    bed: Bed, swarm: DockerSwarm
) -> None:
    def update() -> None:
        bed.manager.docker("service", "update", "--detach", "--label-add=owner=somebody", "labelled")

    with service(bed, "labelled", *RICH):
        before = containers(converged(swarm, "labelled", 2))
        with closing(DockerSwarm(_Interrupted(update))) as interrupted:
            interrupted.scale("labelled", 3)
        state = converged(swarm, "labelled", 3)
        assert state.labels["owner"] == "somebody"
        assert before < containers(state)


@pytest.mark.usefixtures("manager_by_environment")
def test_an_update_that_somebody_else_begins_meanwhile_survives_and_scaling_is_held(
    bed: Bed, swarm: DockerSwarm
) -> None:
    def update() -> None:
        bed.manager.docker("service", "update", "--detach", "--env-add=A=2", "updated")

    with service(bed, "updated", *RICH):
        converged(swarm, "updated", 2)
        with (
            closing(DockerSwarm(_Interrupted(update))) as interrupted,
            pytest.raises(ScalingHeldError, match=r"service updated is (about to be updated|being updated)"),
        ):
            interrupted.scale("updated", 3)
        specification = _stored(bed, "updated")
        assert specification["TaskTemplate"]["ContainerSpec"]["Env"] == ["A=2"]
        assert specification["Mode"]["Replicated"]["Replicas"] == 2
        until(lambda: swarm.service("updated").update_state == "completed", "the update is completed")
        swarm.scale("updated", 3)
        converged(swarm, "updated", 3)


@pytest.mark.usefixtures("manager_by_environment")
def test_a_service_that_others_change_all_the_time_is_given_up_after_some_attempts(bed: Bed) -> None:
    changes: list[int] = []

    def update() -> None:
        changes.append(len(changes))
        bed.manager.docker("service", "update", "--detach", f"--label-add=change={changes[-1]}", "restless")

    with (
        service(bed, "restless", "--replicas=1"),
        closing(DockerSwarm(_Interrupted(update, times=1000))) as interrupted,
        pytest.raises(SwarmError, match="somebody else changed it at each of 5 attempts"),
    ):
        interrupted.scale("restless", 2)
    assert len(changes) == 5


def test_changes_by_others_at_the_same_time_are_all_kept(bed: Bed, swarm: DockerSwarm) -> None:
    def label() -> None:
        for number in range(10):
            command = ("service", "update", "--detach", f"--label-add=n{number}=x", "busy")
            until(partial(bed.manager.docker, *command), "the label is set")

    with service(bed, "busy", "--replicas=1"):
        converged(swarm, "busy", 1)
        other = threading.Thread(target=label)
        other.start()
        for replicas in (2, 3, 4, 3, 2):
            swarm.scale("busy", replicas)
        other.join()
        state = swarm.service("busy")
        assert state.desired == 2
        assert {f"n{number}" for number in range(10)} <= state.labels.keys()


def test_during_a_rolling_update_and_a_rollback_nothing_is_written_and_the_good_version_comes_back(
    bed: Bed, swarm: DockerSwarm
) -> None:
    # one of the new tasks fails, the other runs: to replace that one again takes the swarm some seconds
    bad = "sh -c 'test $SLOT = 2 || { sleep 2; exit 1; }; exec sleep 1000'"
    rolling = (
        "--replicas=2",
        "--update-failure-action=rollback",
        "--update-monitor=3s",
        "--update-parallelism=0",
    )
    rollback = (
        "--rollback-monitor=5s",
        "--rollback-delay=3s",
        "--rollback-parallelism=1",
        "--restart-delay=1s",
    )
    with service(bed, "rolled", "--env=SLOT={{.Task.Slot}}", *rolling, *rollback):
        converged(swarm, "rolled", 2)
        good = _stored(bed, "rolled")
        bed.manager.docker("service", "update", "--detach", "--args", bad, "rolled")
        seen: set[str] = set()

        def tried_until_rolled_back() -> bool:
            try:
                swarm.scale("rolled", 3)
            except ScalingHeldError as held:
                seen.add(re.split(r" \(|:", str(held))[0])
                return False
            return True

        until(tried_until_rolled_back, "the update is rolled back")
        told = {
            f"service rolled is {what}"
            for what in ("about to be updated", "being updated", "being rolled back")
        }
        assert {"service rolled is being updated", "service rolled is being rolled back"} <= seen <= told
        converged(swarm, "rolled", 3)
        assert _canonical(_stored(bed, "rolled"), 3) == _canonical(good, 3)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--mode=global",), "service other is global, one task for each node; only a replicated service"),
        (("--mode=replicated-job",), "service other is a job, which ends by itself; give a replicated"),
    ],
)
def test_a_service_without_replicas_to_set_is_refused(
    bed: Bed, swarm: DockerSwarm, options: tuple[str, ...], words: str
) -> None:
    with service(bed, "other", *options), pytest.raises(SwarmError, match=words):
        swarm.scale("other", 2)


# The autoscaler on it


class _Wants:
    """A policy that always wants the same."""

    metric = "wish"

    def __init__(self, replicas: int) -> None:
        self.replicas = replicas

    def check(self, service: ServiceState) -> None:
        pass

    def recommend(self, seen: Observation, service: ServiceState) -> Recommendation:
        return Recommendation(replicas=self.replicas, why="as wished")


class _Scaled:
    """An autoscaler whose clock is the test's, so that waiting costs nothing."""

    def __init__(self, swarm: DockerSwarm, name: str, wanted: int) -> None:
        self.decisions: list[ScalingDecision] = []
        plan = ScalingPlan(service=name, policy=_Wants(wanted), bounds=Bounds(1, 50))
        self._autoscaler = Autoscaler(swarm, plan, run_id="run", on_decision=self.decisions.append)
        self._start = datetime(2026, 1, 1, tzinfo=UTC)

    def evaluate(self, second: float) -> ScalingDecision:
        return self._autoscaler.evaluate(second, self._start + timedelta(seconds=second))


def test_the_decision_says_held_while_somebody_elses_update_is_under_way(
    bed: Bed, swarm: DockerSwarm
) -> None:
    with service(bed, "steady", *RICH):
        converged(swarm, "steady", 2)
        bed.manager.docker("service", "update", "--detach", "--env-add=A=2", "steady")
        decision = _Scaled(swarm, "steady", 4).evaluate(0)
        assert decision.reason.startswith("held: ")
        assert (decision.applied, decision.desired) == (None, 2)
        assert swarm.service("steady").desired == 2


def test_what_the_swarm_cannot_place_is_told_in_its_own_words_and_capped_after_a_while(
    bed: Bed, swarm: DockerSwarm
) -> None:
    with service(bed, "large", "--replicas=1", "--reserve-cpu=1.5"):
        converged(swarm, "large", 1)
        scaled = _Scaled(swarm, "large", 4)
        assert scaled.evaluate(0).applied == 4
        until(lambda: swarm.service("large").running == 3, "there is one on each node")
        (waiting,) = [task for task in swarm.service("large").tasks if task.state != "running"]
        assert waiting.state == "pending"
        assert waiting.error == "no suitable node (insufficient resources on 3 nodes)"
        assert scaled.evaluate(5).reason.startswith("no change")
        capped = scaled.evaluate(6 + PENDING_TOO_LONG_SECONDS)
        assert capped.applied == 3
        assert "capped at 3: the swarm cannot place more for now (no suitable node (insuff" in capped.reason
        converged(swarm, "large", 3)


def test_a_service_with_no_replicas_is_left_alone(bed: Bed, swarm: DockerSwarm) -> None:
    with service(bed, "off", "--replicas=0"):
        decision = _Scaled(swarm, "off", 4).evaluate(0)
        assert decision.reason.startswith("disabled: the service has 0 replicas")
        assert swarm.service("off").desired == 0
