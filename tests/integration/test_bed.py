"""The bed is what the other tests of this folder stand on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.integration.bed.images import PYTHON, WEB
from tests.integration.bed.network import PREFIX, Network
from tests.integration.bed.prerequisites import missing, skip_or_fail
from tests.integration.bed.shell import run
from tests.integration.bed.swarm import FOLDERS, until
from tests.integration.bed.sweep import has_processes

if TYPE_CHECKING:
    from tests.integration.bed.swarm import Bed

ROOT = Path(__file__).resolve().parents[2]


def test_three_nodes_are_one_swarm_and_have_the_images(bed: Bed) -> None:
    nodes = bed.manager.docker("node", "ls", "--format", "{{.Hostname}} {{.Status}} {{.ManagerStatus}}")
    assert sorted(line.strip() for line in nodes.splitlines()) == [
        "node1 Ready Leader",
        "node2 Ready",
        "node3 Ready",
    ]
    for engine in bed.engines:
        images = engine.docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}").split()
        assert {PYTHON, WEB} <= set(images)


def test_a_bed_that_is_killed_leaves_no_process_and_the_sweep_removes_the_rest() -> None:
    lacking = missing()
    if lacking:
        skip_or_fail(lacking)
    with subprocess.Popen(
        [sys.executable, "-m", "tests.integration.bed"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as held:
        assert held.stdout is not None
        first = held.stdout.readline()
        name = first.split("/tmp/")[1].split("/")[0]
        while "Ctrl-C" not in held.stdout.readline():
            pass
        held.send_signal(signal.SIGKILL)
    number = int(name.removeprefix(PREFIX))
    until(lambda: not _processes(name) and not has_processes(number), f"no process of {name} is left")
    run(sys.executable, "-m", "tests.integration.bed.sweep", cwd=ROOT)
    assert not (FOLDERS / name).exists()
    assert name not in run("ip", "-brief", "link") + run("ip", "netns", "list") + run("iptables", "-S")
    assert not list(Path("/sys/fs/cgroup").glob(f"*/{name}-*"))


def test_a_network_that_has_no_process_yet_is_not_swept_away() -> None:
    lacking = missing()
    if lacking:
        skip_or_fail(lacking)
    network = Network()
    try:
        host = network.add("empty")
        run(sys.executable, "-m", "tests.integration.bed.sweep", cwd=ROOT)
        assert host.run("echo", "still there") == "still there\n"
    finally:
        network.down()


def _processes(name: str) -> list[str]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if name in command and int(folder.name) != os.getpid():
            found.append(command)
    return found
