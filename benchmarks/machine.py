"""What a measurement was made on: figures of one machine say nothing without it."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import msgspec

PACKAGES = ("swarm-ext", "locust", "gevent", "geventhttpclient", "requests", "httptools")
_VERSION_COMMANDS = {"nginx": ("nginx", "-v"), "wrk": ("wrk", "-v"), "k6": ("k6", "version")}
_VERSION = re.compile(r"(?<![\w.])v?(\d+\.\d+(?:\.\d+)?)")
_VEGETA_MODULE = re.compile(rb"tsenart/vegeta/v12\s+v(\d+\.\d+\.\d+)")


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """The machine, its software, and how busy it was before (mean number of running processes over 1, 5 and 15 minutes)."""

    when: str
    cpu: str
    cores: int
    memory_gib: float
    kernel: str
    python: str
    versions: dict[str, str]
    load_before: tuple[float, float, float]


def describe() -> Machine:
    """Return this machine as it is now."""
    return Machine(
        when=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        cpu=cpu_model(Path("/proc/cpuinfo").read_text()),
        cores=os.cpu_count() or 1,
        memory_gib=round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1),
        kernel=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        versions={name: version(name) for name in PACKAGES} | peer_versions(),
        load_before=os.getloadavg(),
    )


def cpu_model(cpuinfo: str) -> str:
    """Return the CPU's name from the kernel's /proc/cpuinfo; where it has none, the architecture."""
    named = re.search(r"^model name\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    return named[1].strip() if named else platform.machine()


def peer_versions() -> dict[str, str]:
    """Return the versions of the programs that are installed beside ours."""
    found = {}
    for name, command in _VERSION_COMMANDS.items():
        if shutil.which(name):
            told = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
            number = _VERSION.search(told.stdout + told.stderr)
            found[name] = number[1] if number else "unknown"
    vegeta = shutil.which("vegeta")
    if vegeta:  # built from source it does not tell its version, but what Go noted in the program does
        number_noted = _VEGETA_MODULE.search(Path(vegeta).read_bytes())
        found["vegeta"] = number_noted[1].decode() if number_noted else "unknown"
    return found
