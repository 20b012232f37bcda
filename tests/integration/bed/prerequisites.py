"""What this machine must have for the bed, and what becomes of a test where it has not."""

from __future__ import annotations

import os
import shutil

import pytest

_TOOLS = {
    "dockerd": "docker.io",
    "docker": "docker.io",
    "ip": "iproute2",
    "iptables": "iptables",
    "busybox": "busybox-static",
    "haproxy": "haproxy",
    "nsenter": "util-linux",
    "unshare": "util-linux",
    "setpriv": "util-linux",
    "go": "golang (1.22 or newer)",
}


def missing() -> str:
    """Return, in words, what is missing for the bed; an empty text when nothing is."""
    if os.geteuid() != 0:
        return "network namespaces and Docker engines need root: run the tests as root"
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    lacking = {package for tool, package in _TOOLS.items() if shutil.which(tool, path=path) is None}
    return f"apt-get install {' '.join(sorted(lacking))}" if lacking else ""


def required() -> bool:
    """Whether a missing prerequisite is a failure, as in CI, and not a reason to skip."""
    return bool(os.environ.get("SWARM_EXT_REQUIRE_ALL"))


def skip_or_fail(reason: str) -> None:
    """Skip the test at hand and say why; where everything is required, fail it."""
    if required():
        pytest.fail(f"{reason} (everything is required here)", pytrace=False)
    pytest.skip(reason)
