"""A test that needs the machine for itself gets it."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.embedded_swarm import wait_until
from tests.turnstile import passing

if TYPE_CHECKING:
    from pathlib import Path

ENTERS = """
import sys
from pathlib import Path
from tests.embedded_swarm import wait_until
from tests.turnstile import passing
print("comes", flush=True)
with passing(Path(sys.argv[1]), alone=sys.argv[2] == "alone"):
    print("enters", flush=True)
    sys.stdin.readline()
print("leaves", flush=True)
"""


class Other:
    """Another process that wants to pass."""

    def __init__(self, folder: Path, how: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", ENTERS, str(folder), how], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )  # fmt: skip
        assert self.said() == "comes"

    def said(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def leave(self) -> None:
        self.process.communicate("\n", timeout=30)


def somebody_is_in_the_door(folder: Path) -> bool:
    with (folder / "door").open("w") as door:
        try:
            fcntl.flock(door, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def test_many_pass_at_the_same_time(tmp_path: Path) -> None:
    others = [Other(tmp_path, "with others") for _ in range(2)]
    assert [other.said() for other in others] == ["enters", "enters"]
    with passing(tmp_path, alone=False):
        pass
    for other in others:
        other.leave()


def test_one_alone_waits_for_those_inside_and_keeps_out_those_who_come_after_it(tmp_path: Path) -> None:
    inside = Other(tmp_path, "with others")
    assert inside.said() == "enters"
    alone = Other(tmp_path, "alone")
    wait_until(lambda: somebody_is_in_the_door(tmp_path), "it waits in the door")
    after = Other(tmp_path, "with others")
    inside.leave()
    first = alone.said()
    assert first == "enters"
    assert after.process.poll() is None
    alone.leave()
    assert after.said() == "enters"
    after.leave()
