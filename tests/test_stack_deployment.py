"""What is handed to the `docker` client, and what is made of what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from swarm_ext.errors import UserError
from swarm_ext.stack.deployment import ON_A_MANAGER, Deployment, deploy, web_constraint
from tests.stack_looks import node

MANAGER = node("n1", manager=True)


def test_with_a_worker_the_web_service_keeps_off_the_managers() -> None:
    assert web_constraint([MANAGER, node("n22")], {}) is None


@pytest.mark.parametrize(
    "nodes",
    [
        [MANAGER],
        [MANAGER, node("n22", manager=True)],
        [MANAGER, node("n22", availability="drain")],
    ],
)
def test_without_a_worker_that_takes_tasks_it_may_run_on_managers(nodes: list[object]) -> None:
    assert web_constraint(nodes, {}) == ON_A_MANAGER  # type: ignore[arg-type]


def test_a_constraint_that_is_set_stands() -> None:
    assert web_constraint([MANAGER], {"WEB_CONSTRAINT": "node.labels.web == yes"}) is None


def test_the_command_names_the_files_in_their_order() -> None:
    assert Deployment("shop", [Path("a.yml"), Path("b.yml")], {}).command() == [
        "docker", "stack", "deploy", "--compose-file", "a.yml", "--compose-file", "b.yml", "shop",
    ]  # fmt: skip


def test_without_the_docker_client_the_command_to_run_elsewhere_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError) as told:
        list(deploy(Deployment("shop", [Path("a.yml")], {}), seconds=10))
    assert str(told.value) == (
        "the `docker` client is not installed here, and only it can deploy a stack: install it (docker-ce-cli or "
        "docker.io), or run where it is: docker stack deploy --compose-file a.yml shop"
    )
