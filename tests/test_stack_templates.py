"""What is handed out to projects is the project's own, in a working copy and in a wheel."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path

import pytest

from swarm_ext.stack import templates

ROOT = Path(__file__).resolve().parents[1]
NAMES = {
    "locustfiles/closed.py",
    "locustfiles/demo.py",
    "locustfiles/normal.py",
    "locustfiles/poisson.py",
    "locustfiles/profile.py",
    "locustfiles/replay.py",
    "stack.yml",
    "stack.mongo-port.yml",
}


def test_a_working_copy_hands_out_its_own_files() -> None:
    assert templates.project_files() == {name: ROOT / name for name in sorted(NAMES)}


def test_a_wheel_has_each_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]
    for source, target in build["wheel"]["force-include"].items():
        path = tmp_path / target
        path.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (ROOT / source).is_dir() else shutil.copy)(ROOT / source, path)
    monkeypatch.setattr(templates, "_IN_WHEEL", tmp_path / "swarm_ext" / "templates")
    files = templates.project_files()
    assert set(files) == NAMES
    assert all(path.is_relative_to(tmp_path) for path in files.values())
    assert all(path.read_bytes() == (ROOT / name).read_bytes() for name, path in files.items())


def test_a_source_distribution_has_what_a_wheel_is_made_from() -> None:
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]
    tops = {source.split("/")[0] for source in build["wheel"]["force-include"]}
    assert tops <= set(build["sdist"]["include"])


def test_a_default_is_what_stack_yml_says() -> None:
    assert templates.stack_default("WEB_IMAGE") == "nclcloudcomputing/javabenchmarkapp"
    assert templates.stack_default("WEB_CONSTRAINT") == "node.role != manager"
    assert templates.stack_default("MONGO_VOLUME") == ""
    with pytest.raises(KeyError):
        templates.stack_default("WEB_IMAG")
