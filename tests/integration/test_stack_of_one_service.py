"""`swarm-ext stack` with a stack of a single service: what goes wrong when it is deployed, and what leaving takes away."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.integration.bed.images import PYTHON
from tests.integration.bed.swarm import until
from tests.integration.lone_engine import Operator, operator, operator_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.integration.bed.swarm import Bed

pytestmark = pytest.mark.slow
OWN_DATA = {"MONGO_SECRET": "gone_password", "MONGO_VOLUME": "gone_data"}
SLEEP = ("sh", "-c", "trap exit TERM; sleep 1000 & wait")


@pytest.fixture
def one(bed: Bed, tmp_path: Path) -> Iterator[One]:
    yield One(operator_of(bed), tmp_path / "one.yml")
    if "one" in bed.manager.docker("stack", "ls", "--format", "{{.Name}}").split():
        operator_of(bed).types("stack", "leave", "one", "--yes")


class One:
    """A stack `one` of a single service."""

    def __init__(self, at: Operator, file: Path) -> None:
        self.at = at
        self._file = file

    def deploy(self, command: Sequence[str], *, image: str = PYTHON, cpus: str = "0.1", code: int = 0) -> str:
        deploy = {
            "resources": {"reservations": {"cpus": cpus}},
            "restart_policy": {"delay": "100ms"},
            "update_config": {"failure_action": "rollback", "monitor": "3s", "order": "start-first"},
        }
        service = {"image": image, "command": list(command), "stop_grace_period": "1s", "deploy": deploy}
        self._file.write_text(json.dumps({"version": "3.8", "services": {"only": service}}))
        said = self.at.types("stack", "deploy", "one", "-c", str(self._file), code=code)
        return said.err if code else said.out


def test_a_task_that_fits_nowhere_is_told_in_the_swarms_own_words(one: One) -> None:
    assert one.deploy(SLEEP, cpus="64", code=2) == (
        "swarm-ext: stack one is deployed, but does not run: one_only: 1 task cannot be placed, the swarm says: "
        "no suitable node (insufficient resources on 3 nodes)\n"
    )


def test_an_image_that_is_nowhere_is_told_with_the_node(one: One) -> None:
    said = one.deploy(SLEEP, image="swarm-ext-bed/nothing:1", code=2)
    assert said.startswith(
        "swarm-ext: stack one is deployed, but does not run: one_only: its tasks end again and again, "
    )
    assert said.endswith(": No such image: swarm-ext-bed/nothing:1\n")


def test_an_update_that_fails_is_rolled_back_and_told(one: One) -> None:
    one.deploy(SLEEP)
    said = one.deploy(("sh", "-c", "exit 7"), code=2)
    assert said.startswith(
        "swarm-ext: stack one is deployed, but does not run: one_only: the update was rolled back: "
    )
    out = one.deploy(SLEEP)
    assert "only 1/1" in out


def test_a_file_that_is_no_stack_is_refused_in_the_clients_words(one: One, tmp_path: Path) -> None:
    file = tmp_path / "bad.yml"
    file.write_text('version: "3.8"\nservices: {web: {imag: x}}\n')
    said = one.at.types("stack", "deploy", "one", "-c", str(file), code=2).err
    assert said.startswith(f"swarm-ext: `docker stack deploy --compose-file {file} one` failed: ")
    assert "imag" in said


def test_leaving_removes_all_but_the_data_unless_it_is_asked_to(bed: Bed, tmp_path: Path) -> None:
    at = operator_of(bed)
    service = {
        "image": PYTHON, "command": list(SLEEP), "stop_grace_period": "1s", "networks": ["inner"],
        "volumes": ["data:/data"], "secrets": ["mongo_password"],
        "deploy": {"placement": {"constraints": ["node.role == manager"]}},
    }  # fmt: skip
    file = tmp_path / "gone.yml"
    file.write_text(
        json.dumps(
            {
                "version": "3.8",
                "services": {"only": service},
                "networks": {"inner": {"driver": "overlay"}},
                "volumes": {"data": {"name": OWN_DATA["MONGO_VOLUME"]}},
                "secrets": {"mongo_password": {"external": True, "name": OWN_DATA["MONGO_SECRET"]}},
            }
        )
    )
    at.types("stack", "deploy", "gone", "-c", str(file), **OWN_DATA)
    volumes = ("volume", "ls", "-q", "-f", "name=gone_data")
    secrets = ("secret", "ls", "--format", "{{.Name}}", "-f", "name=gone_password")
    out = at.types("stack", "leave", "gone", "--yes").out
    assert out == "Removed service gone_only.\nRemoved network gone_inner.\n"
    label = "label=com.docker.stack.namespace=gone"
    assert not bed.manager.docker("service", "ls", "-q", "-f", label).strip()
    assert not bed.manager.docker("network", "ls", "-q", "-f", label).strip()
    until(lambda: not bed.manager.docker("ps", "-aq", "-f", label).strip(), "its containers are gone")
    assert bed.manager.docker(*volumes).split() == ["gone_data"]
    assert bed.manager.docker(*secrets).split() == ["gone_password"]
    assert at.types("stack", "leave", "gone", "--yes", code=2).err.startswith(
        "swarm-ext: the swarm has no stack 'gone'; "
    )
    out = at.types("stack", "leave", "gone", "--volumes", "--yes", **OWN_DATA).out
    assert out == "Removed volume gone_data.\nRemoved secret gone_password.\n"
    assert not bed.manager.docker(*volumes).strip()
    assert not bed.manager.docker(*secrets).strip()


def test_a_worker_is_told_where_the_managers_are(bed: Bed) -> None:
    for words in (("stack", "display"), ("stack", "leave", "--yes"), ("stack", "deploy")):
        assert operator(bed.engines[1]).types(*words, code=2).err == (
            "swarm-ext: this Docker engine is a worker of its swarm; only a manager can do this: set DOCKER_HOST to one "
            f"(managers: {bed.manager.host.address})\n"
        )
