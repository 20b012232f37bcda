"""What this machine must have for the bed, and what becomes of a test where it has not."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

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
}

_GO = (1, 24)
"""The oldest Go that builds the MongoDB-protocol server; its go.mod says the same."""


def missing() -> str:
    """Return, in words, what is missing for the bed; an empty text when nothing is."""
    if os.geteuid() != 0:
        return "network namespaces and Docker engines need root: run the tests as root"
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    lacking = {package for tool, package in _TOOLS.items() if shutil.which(tool, path=path) is None}
    if lacking:
        return f"apt-get install {' '.join(sorted(lacking))}"
    return lacking_go()


def lacking_go() -> str:
    """Return, in words, that there is no Go that can build the programs of the bed; an empty text when there is one."""
    remedy = f"Go {'.'.join(map(str, _GO))} or newer is needed on the PATH, to build what has no package here"
    if shutil.which("go") is None:
        return remedy
    said = subprocess.run(["go", "env", "GOVERSION"], capture_output=True, text=True, check=False).stdout
    found = re.match(r"go(\d+)\.(\d+)", said)
    if found is None or (int(found[1]), int(found[2])) < _GO:
        return f"{remedy}: this one is {said.strip() or 'unknown'}"
    return ""


def required() -> bool:
    """Whether a missing prerequisite is a failure, as in CI, and not a reason to skip."""
    return bool(os.environ.get("SWARM_EXT_REQUIRE_ALL"))


def skip_or_fail(reason: str) -> None:
    """Skip the test at hand and say why; where everything is required, fail it."""
    if required():
        pytest.fail(f"{reason} (everything is required here)", pytrace=False)
    pytest.skip(reason)
