"""`swarm-ext autoscale` as a person starts it: what it refuses before it touches anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from swarm_ext.cli import cli
from tests.integration.swarm_ext_process import EndedCommand, run_command

if TYPE_CHECKING:
    from pathlib import Path


def run(folder: Path, *words: str, **environment: str) -> EndedCommand:
    return run_command(
        folder, "autoscale", *words, environment={"DOCKER_HOST": "unix:///nowhere/docker.sock", **environment}
    )


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--autoscale", "target-rate", "--target", "8"), "needs arrivals to count, which only Locust makes"),
        (("--target", "60"), "--target 60 is above 1: with --autoscale target-utilisation it is a share"),
        (("--min-replicas", "5", "--max-replicas", "2"), "--max-replicas 2 is below --min-replicas 5"),
        (("--autoscale", "threshold", "--target", "0.2"), "--scale-in-below 0.3 is not below --target 0.2"),
        (("--autoscale-interval", "0"), "'0' is not above 0: give seconds"),
        (("--autoscale", "off"), "'off' is not one of"),
        ((), "there is no such socket; start Docker, or set DOCKER_HOST to a manager of the swarm"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    ended = run(tmp_path, *words)
    assert ended.code == 2, ended.errors
    assert told in ended.errors.splitlines()[-1]
    assert "Traceback" not in ended.errors
    assert not list(tmp_path.iterdir())


def test_an_option_may_be_an_environment_variable(tmp_path: Path) -> None:
    ended = run(tmp_path, SWARM_EXT_TARGET="7")
    assert "--target 7 is above 1" in ended.errors


def test_its_options_are_locusts_with_the_defaults_of_a_service() -> None:
    told = " ".join(CliRunner().invoke(cli, ["autoscale", "--help"]).output.split())
    assert "scale in only to the highest count recommended in this many seconds [default: 300.0]" in told
    assert "seconds between evaluations [default: 5.0]" in told
    assert "Examples: swarm-ext autoscale --target 0.6" in told
