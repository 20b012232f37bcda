"""What takes long the first time is done before there is load."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import inspect
from swarm_ext.warm_up import warm_up
warm_up()
known = set(inspect.modulesbyfile)
inspect.getframeinfo(inspect.stack()[0][0])
print(len(known) > 10, set(inspect.modulesbyfile) == known)
"""


def test_to_ask_who_calls_finds_every_module_known() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout == "True True\n"
