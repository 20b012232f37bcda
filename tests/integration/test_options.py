"""Options reach a run from wherever Locust takes its own, and are found where people look for them."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from swarm_ext.options import GROUPS, OPTIONS
from tests.integration.bench import LOCUSTFILES, run_locust, slow_server

if TYPE_CHECKING:
    from pathlib import Path

POISSON = LOCUSTFILES / "poisson.py"


def test_help_shows_every_option_under_headings_of_its_own() -> None:
    command = [sys.executable, "-m", "locust", "-f", str(POISSON), "--help"]
    text = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    for heading, _ in GROUPS:
        assert f"\n{heading}:\n" in text
    for option in OPTIONS:
        assert f"  --{option.name} " in text
    assert "%(" not in text


@pytest.mark.parametrize("where", ["environment", "configuration file"])
def test_options_come_from_the_environment_and_from_locust_conf(tmp_path: Path, where: str) -> None:
    environment = {}
    if where == "environment":
        environment = {"SWARM_EXT_LAMB": "40", "SWARM_EXT_ITER": "30", "SWARM_EXT_SEED": "5"}
    else:
        (tmp_path / "locust.conf").write_text("lamb = 40\niter = 30\nseed = 5\n")
    with slow_server(tmp_path, 0.01) as server:
        ended = run_locust(tmp_path, POISSON, "--url", f"{server.url}/other?x=1", environment=environment)
    assert ended.code == 0, ended.output
    (run,) = ended.runs()
    assert (run.options["lamb"], run.options["iter"], run.seed, run.options["path"]) == (
        40,
        30,
        5,
        "/other?x=1",
    )
    assert "/other?x=1" in ended.output
    assert run.totals is not None
    assert run.totals.offered == 30


def test_the_whole_folder_of_locustfiles_loads(tmp_path: Path) -> None:
    with slow_server(tmp_path, 0.01) as server:
        ended = run_locust(
            tmp_path,
            LOCUSTFILES,
            "-H",
            server.url,
            "PoissonVisitor",
            "NormalVisitor",
            "--iter",
            "20",
            "--lamb",
            "20",
        )
    assert ended.code == 0, ended.output
    assert ended.totals().offered == 20
