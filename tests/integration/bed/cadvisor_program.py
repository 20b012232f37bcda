"""The real cAdvisor, built from its source: the last release that is one Go module, which needs Go 1.19 to run."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tests.integration.bed import cache
from tests.integration.bed.shell import BedError, run

VERSION = "v0.36.0"
_GO = ("/usr/lib/go-1.19/bin/go", "/usr/local/go1.19/bin/go")


def cadvisor_program() -> Path:
    """Return the program, built on the first call (half a minute)."""
    return cache.built(f"cadvisor-{VERSION}", _build)


def _build(target: Path) -> None:
    go = next((path for path in _GO if Path(path).exists()), None)
    if go is None:
        raise BedError("Go 1.19 is needed to build cAdvisor: apt-get install golang-1.19-go")
    folder = target.with_name(f"{target.name}.gobin")
    try:
        run(
            go,
            "install",
            f"github.com/google/cadvisor@{VERSION}",
            env={**os.environ, "GOBIN": str(folder), "GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local"},
            timeout=600,
            cwd=folder.parent,
        )
        (folder / "cadvisor").rename(target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
