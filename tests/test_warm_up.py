"""What takes long is done before there is load."""

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


OPTIONS = """
from locust import argument_parser
from swarm_ext.warm_up import warm_up
warm_up()
warm_up()
made = []
make = argument_parser.get_empty_argument_parser
argument_parser.get_empty_argument_parser = lambda *a, **k: made.append(1) or make(*a, **k)
known = [option in argument_parser.default_args_dict() for option in ("headless", "host", "lamb")]
print(known, len(made))
"""


def test_a_worker_that_is_told_how_many_users_to_have_makes_no_parser_to_look_at_the_options() -> None:
    done = subprocess.run([sys.executable, "-c", OPTIONS], capture_output=True, text=True, check=True)
    assert done.stdout == "[True, True, False] 0\n"
