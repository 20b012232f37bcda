"""`swarm-ext autoscale` on a real swarm, under load that knows nothing of it: no Locust anywhere."""

from __future__ import annotations

import signal
import subprocess
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import pytest

from swarm_ext.model import ContainerSample, ScalingDecision, ServiceSample
from swarm_ext.store import open_store
from tests.integration.bed.swarm import until
from tests.integration.docker_services import service
from tests.integration.shop import SERVICE, Shop, deployed_shop
from tests.integration.swarm_ext_process import RunningCommand, run_command, running_command

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.bed.swarm import Bed

QUICK = (
    "--autoscale-interval", "2", "--autoscale-window", "6", "--scale-in-stabilization", "8", "--replica-warm-up", "2",
)  # fmt: skip
SCALED_OUT = rf"{SERVICE}: scaling out 1 → 2: cpu utilisation .*is above the target 60 %"
SCALED_IN = rf"{SERVICE}: scaling in \d → 1: "


@pytest.fixture(scope="module")
def shop(bed: Bed) -> Iterator[Shop]:
    with deployed_shop(bed) as it:
        yield it


@pytest.fixture
def autoscaler(shop: Shop, tmp_path: Path) -> Iterator[RunningCommand]:
    """One of a service that has one replica."""
    shop.bed.manager.docker("service", "scale", "--detach", f"{SERVICE}=1")
    words = ("autoscale", *QUICK, "--store", shop.store)
    with running_command(tmp_path, *words, environment=shop.environment) as it:
        yield it


@contextmanager
def wrk(url: str) -> Iterator[None]:
    """Four connections that ask as fast as they are answered, until the block has ended."""
    words = ["wrk", "-t", "1", "-c", "4", "-d", "300s", "--timeout", "10s", f"{url}/primecheck"]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.kill()


def test_load_from_elsewhere_scales_the_service_out_and_in_and_every_decision_is_stored(
    shop: Shop, autoscaler: RunningCommand
) -> None:
    autoscaler.wait_for(rf"{SERVICE}: scaled: 1 to 10 replicas, by TargetUtilisation")
    autoscaler.wait_for(rf"{SERVICE} at 1: no change: ")
    before = shop.bed.running(SERVICE)
    with wrk(shop.url):
        autoscaler.wait_for(SCALED_OUT)
        until(lambda: len(shop.bed.running(SERVICE)) >= 2, "a second replica runs")
    assert set(before) <= set(shop.bed.running(SERVICE))
    autoscaler.wait_for(SCALED_IN)
    assert autoscaler.end(signal.SIGTERM) == 0, autoscaler.output
    with closing(open_store(shop.store, must_exist=True)) as store:
        run = store.run("latest")
        decisions = list(store.read(run.id, ScalingDecision))
        states = list(store.read(run.id, ServiceSample))
        counts = store.counts(run.id)
    assert (run.exit_status, run.service, run.options["command"]) == ("finished", SERVICE, "autoscale")
    assert run.troubles == ()
    applied = [decision.applied for decision in decisions if decision.applied is not None]
    assert applied[0] == 2
    assert applied[-1] == 1
    assert [decision.id for decision in decisions] == sorted({decision.id for decision in decisions})
    assert {state.desired for state in states} >= {1, 2}
    assert counts[ContainerSample.__name__] == 0


def test_the_stack_as_it_is_deployed_is_in_order(shop: Shop, tmp_path: Path) -> None:
    examined = run_command(tmp_path, "doctor", environment=shop.environment)
    assert examined.code == 0, examined.output
    assert f"labels of {SERVICE}: scaled between 1 and 10 replicas" in examined.output
    assert examined.output.count("are measured at least every") == 3


def test_a_manager_that_restarts_is_survived_and_told_of_once(shop: Shop, autoscaler: RunningCommand) -> None:
    manager = shop.bed.manager
    autoscaler.wait_for(rf"{SERVICE} at 1: no change: ")
    manager.kill()
    autoscaler.wait_for(r"services to scale: the Docker engine at .*")
    autoscaler.wait_for(rf"{SERVICE} at \d: failed: ")
    manager.start()
    manager.wait()
    autoscaler.wait_for(r"services to scale: works again")
    with labelled(shop.bed, SERVICE, "swarm.autoscaler.minimum", "2", back_to="1"):
        autoscaler.wait_for(rf"{SERVICE}: scaling out 1 → 2: ")
    assert autoscaler.end(signal.SIGINT) == 0, autoscaler.output
    assert autoscaler.output.count("services to scale: the Docker engine") == 1, autoscaler.output
    assert "Traceback" not in autoscaler.output


@contextmanager
def labelled(bed: Bed, name: str, label: str, value: str, *, back_to: str) -> Iterator[None]:
    def put(value: str) -> None:
        bed.manager.docker("service", "update", "--detach", "--label-add", f"{label}={value}", name)

    until(lambda: put(value) is None, f"{name} takes a label")  # the manager may still be electing itself
    try:
        yield
    finally:
        until(lambda: put(back_to) is None, f"{name} takes the label that it had")


def test_services_that_come_and_go_and_are_labelled_anew_are_noticed(
    shop: Shop, autoscaler: RunningCommand
) -> None:
    bed, labelled = shop.bed, ("--label", "swarm.autoscaler=true", "--label", "swarm.autoscaler.maximum=3")
    with service(bed, "guest", *labelled, "--limit-cpu", "0.1", "--label", "swarm.autoscaler.minimum=2"):
        autoscaler.wait_for("guest: scaled: 2 to 3 replicas")
        autoscaler.wait_for("guest: scaling out 1 → 2: .*kept at --min-replicas 2")
        bed.manager.docker("service", "update", "-d", "--label-add", "swarm.autoscaler.maximum=1", "guest")
        autoscaler.wait_for("guest: not scaled: service label swarm.autoscaler.maximum is 1, below .*minimum")
        bed.manager.docker("service", "update", "-d", "--label-add", "swarm.autoscaler.minimum=1", "guest")
        autoscaler.wait_for("guest: scaled: 1 to 1 replicas")
        autoscaler.wait_for("guest: scaling in 2 → 1")
        bed.manager.docker("service", "update", "-d", "--label-rm", "swarm.autoscaler", "guest")
        autoscaler.wait_for("guest: not scaled any more")
    with service(bed, "guest", *labelled):
        autoscaler.wait_for("guest: not scaled: service 'guest' has neither a CPU limit nor a reservation")
    assert autoscaler.end(signal.SIGTERM) == 0


def test_a_dry_run_decides_and_leaves_the_swarm_alone(shop: Shop, tmp_path: Path) -> None:
    shop.bed.manager.docker("service", "scale", "--detach", f"{SERVICE}=1")
    words = ("autoscale", *QUICK, "--dry-run", "--verbose", "--min-replicas", "2")
    with running_command(tmp_path, *words, environment=shop.environment) as dry:
        dry.wait_for(rf"{SERVICE} at 1: dry run: would scale 1 → 2: .*kept at --min-replicas 2")
        assert dry.end(signal.SIGTERM) == 0
    assert shop.bed.service(SERVICE)["Spec"]["Mode"]["Replicated"]["Replicas"] == 1


def test_what_is_no_manager_is_refused_in_one_line(bed: Bed, tmp_path: Path) -> None:
    worker = bed.engines[1]
    ended = run_command(tmp_path, "autoscale", environment={"DOCKER_HOST": worker.docker_host})
    assert ended.code == 2
    (line,) = ended.errors.splitlines()
    assert "is a worker of its swarm, not a manager; set DOCKER_HOST to a manager" in line
    assert not (tmp_path / "swarm-ext.db").exists()
