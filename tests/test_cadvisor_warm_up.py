"""What the first request of a process takes longer is taken before there is load."""

from __future__ import annotations

import subprocess
import sys

from tests.cadvisor_server import CAdvisorServer, as_json

POLL = """
from gevent import monkey
monkey.patch_all()
import sys
import swarm_ext.plugin
from swarm_ext.cadvisor import CAdvisor, warm_up
{warm_up}
before = set(sys.modules)
with CAdvisor({url!r}) as cadvisor:
    cadvisor.containers()
print(sorted(set(sys.modules) - before))
"""


def imported_by_the_first_poll(warm_up: str) -> str:
    """Return what the first poll of a process imports."""
    with CAdvisorServer(lambda *_: as_json({})) as server:
        script = POLL.format(warm_up=warm_up, url=server.url)
        return subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
        ).stdout.strip()


def test_after_the_warm_up_the_first_poll_imports_nothing() -> None:
    assert imported_by_the_first_poll("") != "[]"
    assert imported_by_the_first_poll("warm_up()") == "[]"
