"""However it ends, the embedded swarm leaves no process behind, and says what happened."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from swarm_ext.swarm import SwarmError
from swarm_ext.swarm.local_swarm import LocalSwarm
from tests.embedded_swarm import none_alive, wait_until, whose_command_has

ROOT = Path(__file__).parents[1]

OWNER = """
import json, os, sys, time
from swarm_ext.swarm.local_swarm import LocalSwarm
swarm = LocalSwarm(replicas=2, cpu_limit_cores=None)
print(json.dumps({"url": swarm.url, "ready": swarm.service("web").ready}), flush=True)
"""

FORK = """
sys.stdin.readline()
forked = os.fork()
if forked:
    print(forked, flush=True)
time.sleep(600)
"""


@contextlib.contextmanager
def owner(code: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that runs `code`; its standard input stays open until the end."""
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # it and what it forked: a child would hold its pipes open
        process.communicate(timeout=30)


def first_line(process: subprocess.Popen[bytes]) -> dict[str, object]:
    assert process.stdout is not None
    return json.loads(process.stdout.readline())


def descendants(pid: int) -> list[int]:
    """A node process and two replicas."""
    found = [child.pid for child in psutil.Process(pid).children(recursive=True)]
    assert len(found) == 3
    return found


def own_children() -> list[psutil.Process]:
    """What an embedded swarm of this process has started: other tests' servers and engines may be below it, too."""
    nodes = whose_command_has(psutil.Process().children(), "swarm_ext.swarm.local_node")
    return [*nodes, *(replica for node in nodes for replica in node.children(recursive=True))]


def test_when_its_owner_is_killed_everything_ends() -> None:
    with owner(OWNER + "time.sleep(600)") as process:
        assert first_line(process)["ready"] == 2
        pids = descendants(process.pid)
        process.kill()
        process.wait()
        wait_until(lambda: none_alive(pids), "the end of node and replicas")


def test_when_its_owner_is_killed_a_forked_child_of_it_keeps_nothing_alive() -> None:
    with owner(OWNER + FORK) as process:
        first_line(process)
        pids = descendants(process.pid)
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.flush()
        assert process.stdout is not None
        forked = int(process.stdout.readline())
        try:
            process.kill()
            process.wait()
            wait_until(lambda: none_alive(pids), "the end of node and replicas")
            assert not none_alive([forked])
        finally:
            os.kill(forked, signal.SIGKILL)


def test_when_its_owner_ends_without_closing_it_everything_ends() -> None:
    with owner(OWNER + "sys.stdin.readline()") as process:
        first_line(process)
        pids = descendants(process.pid)
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.flush()
        assert process.wait(30) == 0
        assert none_alive(pids)


def test_a_terminals_ctrl_c_does_not_reach_it() -> None:
    code = "import signal; signal.signal(signal.SIGINT, lambda *_: None)" + OWNER + "time.sleep(600)"
    with owner(code) as process:
        first_line(process)
        pids = descendants(process.pid)
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.5)
        assert all(psutil.pid_exists(pid) for pid in pids)


@pytest.mark.parametrize("patch", ["", "from gevent import monkey; monkey.patch_all()"])
def test_it_works_alike_with_and_without_gevents_patches(patch: str) -> None:
    code = f"""{patch}
import json, threading, time, requests
from swarm_ext.swarm.local_swarm import LocalSwarm
swarm = LocalSwarm(cpu_limit_cores=None)
turns = []
stop = threading.Event()
def count():
    while not stop.is_set():
        turns.append(1)
        time.sleep(0.005)
counter = threading.Thread(target=count)
counter.start()
before = len(turns)
answer = requests.get(swarm.url + "/primecheck/999999999999989").json()
turns_during = len(turns) - before
swarm.scale("web", 2)
while swarm.service("web").ready < 2:
    time.sleep(0.02)
swarm.close()
swarm.close()
stop.set()
counter.join()
print(json.dumps({{"prime": answer["prime"], "turns": turns_during}}), flush=True)
"""
    with owner(code) as process:
        said = first_line(process)
        assert said["prime"] is True
        assert int(str(said["turns"])) > 5
        assert process.wait(30) == 0


@pytest.fixture
def swarm() -> Iterator[LocalSwarm]:
    made = LocalSwarm(replicas=2, cpu_limit_cores=None)
    yield made
    made.close()


def test_when_the_node_process_is_killed_the_replicas_end_and_calls_say_so(swarm: LocalSwarm) -> None:
    (node,) = whose_command_has(psutil.Process().children(), "swarm_ext.swarm.local_node")
    replicas = [child.pid for child in node.children()]
    assert len(replicas) == 2
    node.kill()
    wait_until(lambda: none_alive(replicas), "the end of the replicas")
    for call in (swarm.nodes, swarm.services, lambda: swarm.service("web"), lambda: swarm.scale("web", 1)):
        with pytest.raises(SwarmError, match=r"node process .*(killed by signal 9|does not answer)") as error:
            call()
        assert "\n" not in str(error.value)
    swarm.close()


def test_closing_ends_everything_twice_over(swarm: LocalSwarm) -> None:
    pids = [child.pid for child in own_children()]
    assert len(pids) == 3
    swarm.close()
    assert none_alive(pids)
    swarm.close()
    with pytest.raises(SwarmError, match="has ended"):
        swarm.service("web")


def test_replicas_that_never_become_ready_are_reported_and_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swarm_ext.swarm.local_swarm.READY_SECONDS", -19.5)
    with pytest.raises(SwarmError, match=r"0 of 1 replicas ready after 0\.5 s"):
        LocalSwarm(startup_seconds=20)
    assert own_children() == []


def test_a_node_process_that_cannot_start_is_reported_with_its_last_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    with pytest.raises(SwarmError, match=r"has ended .*its last words: \w+") as error:
        LocalSwarm()
    assert "\n" not in str(error.value)
