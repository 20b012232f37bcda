"""What master and workers say to each other about a run: Locust messages whose data is MessagePack made by msgspec.

Locust's own encoding cannot carry our records. Every message names its run, so that a late one does no harm to the next.
"""

from __future__ import annotations

import hashlib
import socket
import uuid
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec

from swarm_ext import __version__
from swarm_ext.load import LoadCounts
from swarm_ext.model import ArrivalCheck

if TYPE_CHECKING:
    from locust.env import Environment

RUN_KEY = "swarm_ext_run"
"""Under this name the master's word on the run (`Assignment`) travels among the options of Locust's spawn message."""

HELLO, WELCOME, REFUSED = "swarm_ext.hello", "swarm_ext.welcome", "swarm_ext.refused"
LOAD, FINAL = "swarm_ext.load", "swarm_ext.final"
LEASE, GRANT, RECALL = "swarm_ext.lease", "swarm_ext.grant", "swarm_ext.recall"
HEARD, PORTION = "swarm_ext.heard", "swarm_ext.portion"
CLOCK, CLOCK_REPLY = "swarm_ext.clock", "swarm_ext.clock_reply"
DRAIN, STOP_TEST = "swarm_ext.drain", "swarm_ext.stop_test"


class Hello(msgspec.Struct, frozen=True, kw_only=True):
    """Worker to master, until answered: who I am. The answer is `welcome`, or `refused` with a reason.

    Versions may differ in everything but `version`, so each other field has a default; an empty `version` is not known.
    """

    version: str
    locustfile: str = ""
    machine: str = ""


class _Version(msgspec.Struct, frozen=True):
    """What is read of a hello whose other fields are not ours."""

    version: str


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Master to worker: you cannot take part, and why, in one line."""

    reason: str


class Assignment(msgspec.Struct, kw_only=True):
    """Master to every worker, with the options: the run. `streams` gives each worker its first stream and its stride.

    `begun` is when the run began, in seconds of the master's monotonic clock.
    """

    id: str
    seed: int
    begun: float
    limited: bool
    streams: dict[str, tuple[int, int]]


class LoadReport(msgspec.Struct, frozen=True, kw_only=True):
    """Worker to master, twice a second: the seconds that are over, and what its clock says (seconds since the epoch).

    `told_at` is its monotonic clock, which the answer repeats: `heard`. Also how many streams it has, which recorded arrivals
    it has fired since it last told, and its term: with each new one it has given back all others.
    """

    run_id: str
    now: float
    told_at: float
    counts: list[LoadCounts]
    streams: int = 0
    fired: list[int] = []
    term: int = 0


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """Master to worker, at once: what you told at `told_at` is here, so keep what you were dealt, for a while from then."""

    run_id: str
    told_at: float


class LeaseRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Worker to master: deal me so many arrivals more; so many in all I have given back in this run."""

    run_id: str
    wanted: int = 0
    returned: int = 0


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """Master to worker: these are yours. `exhausted`: there is nothing left to deal."""

    run_id: str
    arrivals: int
    exhausted: bool


class Portion(msgspec.Struct, frozen=True, kw_only=True):
    """Master to worker: fire these recorded arrivals, so many seconds after the run's beginning, in the term that you told."""

    run_id: str
    term: int
    numbers: list[int]
    instants: list[float]


class ClockQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """Master to worker: what do your clocks say? `asked` is the master's monotonic clock.

    `ahead` is by how much the worker's own monotonic clock is ahead of that one, as far as it is known.
    """

    asked: float
    ahead: float | None


class ClockReply(msgspec.Struct, frozen=True, kw_only=True):
    """Worker to master, at once: what its monotonic clock says, and what the one says by which it counts."""

    asked: float
    monotonic: float
    now: float


class Recall(msgspec.Struct, frozen=True, kw_only=True):
    """Master to every worker: too many were dealt, give back what you have."""

    run_id: str


class Drain(msgspec.Struct, frozen=True, kw_only=True):
    """Master to worker: stop the schedule, wait this long for what is in flight, abandon the rest, send the final."""

    run_id: str
    timeout_seconds: float


class Final(msgspec.Struct, frozen=True, kw_only=True):
    """Worker to master, after draining: the rest of the seconds, its clock, what it fired, and what the gaps say."""

    run_id: str
    now: float
    counts: list[LoadCounts]
    fired: list[int] = []
    arrival_check: ArrivalCheck


class StopRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Worker to master: a task raised StopTest."""

    run_id: str
    reason: str


StructT = TypeVar("StructT", bound=msgspec.Struct)


def encode(message: msgspec.Struct) -> bytes:
    """Return the bytes that Locust carries."""
    return msgspec.msgpack.encode(message)


def decode(data: bytes, kind: type[StructT]) -> StructT:
    """Return the message in `data`; raise msgspec.ValidationError if it is not one of that kind."""
    return msgspec.msgpack.decode(data, type=kind)


def hello(environment: Environment) -> Hello:
    """Return this process's introduction: its version of this package, its locustfiles' contents, its machine."""
    digest = hashlib.sha256()
    for file in sorted(environment.parsed_locustfiles or [], key=lambda name: Path(name).name):
        digest.update(Path(file).read_bytes() if Path(file).is_file() else file.encode())
    return Hello(
        version=__version__, locustfile=digest.hexdigest(), machine=f"{socket.gethostname()}/{uuid.getnode()}"
    )


def read_hello(data: object) -> Hello:
    """Return a worker's introduction; of one that another version made differently, its version, or none."""
    if isinstance(data, bytes):
        with suppress(msgspec.DecodeError):
            return decode(data, Hello)
        with suppress(msgspec.DecodeError):
            return Hello(version=decode(data, _Version).version)
    return Hello(version="")


def refusal(master: Hello, worker: Hello, *, same_machine: bool) -> str | None:
    """Return why a worker cannot take part in this master's runs, in one line; None if it can."""
    if worker.version != master.version:
        its = f"swarm-ext {worker.version}" if worker.version else "another version of swarm-ext"
        return f"this worker has {its}, its master {master.version}: install the same on both"
    if worker.locustfile != master.locustfile:
        return "this worker's locustfile differs from its master's: give both the same file, or the worker `-f -`"
    if same_machine and worker.machine != master.machine:
        return f"--swarm local serves its master's machine only, and this worker is on {worker.machine.split('/')[0]}"
    return None
