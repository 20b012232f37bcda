"""The real cAdvisor, built from its source: the last release that is one Go module. Built by a Go after 1.20 it panics."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tests.integration.bed import cache
from tests.integration.bed.shell import run

VERSION = "v0.36.0"
_TOOLCHAIN = "go1.19.13"
_PACKAGED_GO = Path("/usr/lib/go-1.19/bin/go")


def cadvisor_program() -> Path:
    """Return the program, built on the first call (half a minute)."""
    return cache.built(f"cadvisor-{VERSION}", _build)


def _build(target: Path) -> None:
    # a Go of today fetches the toolchain that it is told to be
    go = _PACKAGED_GO if _PACKAGED_GO.exists() else "go"
    settings = {"GOFLAGS": "-mod=mod", "GOTOOLCHAIN": _TOOLCHAIN}
    folder = target.with_name(f"{target.name}.gobin")
    module = f"github.com/google/cadvisor@{VERSION}"
    try:
        run(
            go,
            "install",
            module,
            env={**os.environ, **settings, "GOBIN": str(folder)},
            timeout=600,
            cwd=folder.parent,
        )
        (folder / "cadvisor").rename(target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
