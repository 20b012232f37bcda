"""A Docker engine that is in no swarm, on a host of its own, and our commands run on that host."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.integration.bed import images
from tests.integration.bed.engine import Engine
from tests.integration.bed.network import Network
from tests.integration.bed.prerequisites import missing, skip_or_fail
from tests.integration.bed.swarm import FOLDERS, Bed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PATIENCE_SECONDS = 300.0


@dataclass(frozen=True)
class Said:
    """What a command left: its exit code, and what it printed where."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Operator:
    """Somebody at an engine's machine, who types our commands there."""

    engine: Engine
    environment: Mapping[str, str]

    def types(self, *words: str, code: int = 0, **variables: str) -> Said:
        """Run `swarm-ext` with these words and variables; check its exit code, and that an error is one line."""
        done = subprocess.run(
            self.engine.host.command(sys.executable, "-m", "swarm_ext.cli", *words),
            env={**os.environ, **self.environment, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        said = Said(done.returncode, done.stdout, done.stderr)
        assert said.code == code, f"{' '.join(words)}: {said}"
        assert len(said.err.splitlines()) == (1 if code else 0), said
        return said


def operator(engine: Engine) -> Operator:
    """Somebody at the machine of this engine, who uses the bed's images."""
    return Operator(engine, {"DOCKER_HOST": engine.docker_host, **images.VARIABLES})


def operator_of(bed: Bed) -> Operator:
    """Somebody at the machine of the bed's manager."""
    return operator(bed.manager)


@contextmanager
def lone_engine() -> Iterator[Engine]:
    """An engine with the bed's images; nothing of it is left."""
    lacking = missing()
    if lacking:
        skip_or_fail(lacking)
    network = Network()
    folder = FOLDERS / network.bridge
    engine = Engine(network.add("n1"), "node1", Path(folder) / "n1")
    try:
        engine.start()
        engine.wait()
        images.load_images(engine)
        yield engine
    finally:
        engine.kill()
        engine.remove()
        shutil.rmtree(folder, ignore_errors=True)
        network.down()
