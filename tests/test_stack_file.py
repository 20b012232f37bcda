"""stack.yml as it is written; the integration tests deploy it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "stack.yml").read_text()
SERVICES = {"web", "cadvisor", "visualizer", "mongo"}


def test_every_image_can_be_replaced_and_all_but_the_web_services_are_pinned() -> None:
    images = dict(re.findall(r"^    image: \$\{(\w+)_IMAGE:-(.+)\}$", TEXT, re.MULTILINE))
    assert {name.lower() for name in images} == SERVICES
    assert images.pop("WEB") == "nclcloudcomputing/javabenchmarkapp"
    assert all(re.fullmatch(r"[\w./-]+:(?!latest$)[\w.-]+", image) for image in images.values()), images


def test_each_variable_has_a_line_on_the_page() -> None:
    used = set(re.findall(r"\$\{(\w+):-", TEXT.split("\nservices:\n")[1]))
    told = set(re.findall(r"`([A-Z_]+)`", (ROOT / "docs" / "stack.md").read_text()))
    assert used <= told, used - told


def test_the_client_finds_nothing_wrong_with_it() -> None:
    docker = shutil.which("docker")
    if docker is None or "config" not in _said(docker, "stack", "--help"):
        pytest.skip("no `docker stack config` in this client; the integration tests deploy the file anyhow")
    files = ("-c", str(ROOT / "stack.yml"), "-c", str(ROOT / "stack.mongo-port.yml"))
    resolved = _said(docker, "stack", "config", *files)
    assert set(re.findall(r"^  (\w+):$", resolved.split("\nnetworks:")[0], re.MULTILINE)) == SERVICES
    assert resolved.count("published: 3306") == 1


def test_the_image_is_made_of_the_application_alone() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    kept = [line[1:] for line in ignored if line.startswith("!")]
    assert "*" in ignored
    assert kept == ["swarm_ext/__init__.py", "swarm_ext/primecheck"]
    copied = re.findall(r"^COPY (\S+) ", (ROOT / "image" / "Dockerfile").read_text(), re.MULTILINE)
    assert copied == kept
    commands = re.findall(
        r"^(?:ENTRYPOINT|CMD|RUN) (.*)$", (ROOT / "image" / "Dockerfile").read_text(), re.MULTILINE
    )
    assert all(isinstance(json.loads(command), list) for command in commands)  # without a shell between


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
