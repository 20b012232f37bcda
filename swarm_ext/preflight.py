"""Whether a locustfile can make the load that is asked for: checked before any load, each mistake one line. No I/O."""

from __future__ import annotations

import inspect
import math
from argparse import ArgumentTypeError
from typing import TYPE_CHECKING

from locust import TaskSet, User

from swarm_ext import option_types
from swarm_ext.arrivals import ArrivalProcess, Normal
from swarm_ext.client import shape
from swarm_ext.client.request import target
from swarm_ext.errors import UserError
from swarm_ext.model import ArrivalProcessRecord
from swarm_ext.users import ArrivalUser, ProfileUser, ReplayUser, has_wait_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from swarm_ext.arrivals import PointProcess
    from swarm_ext.arrivals.trace import Trace
    from swarm_ext.settings import Settings


def check_users(user_classes: Iterable[type[User]], chosen: Settings) -> None:
    """Check that each user class of ours can make arrivals; raise UserError."""
    ours = [user_class for user_class in user_classes if issubclass(user_class, ArrivalUser)]
    for user_class in ours:
        _check_user(user_class, chosen)
    _check_profile(ours, chosen)
    _check_replay(ours, chosen)
    if not ours and chosen.iter is not None:
        raise UserError(
            f"--iter {chosen.iter} counts arrivals, and no user class here makes any: use PoissonUser, NormalUser, "
            "ClosedUser or ArrivalUser"
        )


def _check_user(user_class: type[ArrivalUser], chosen: Settings) -> None:
    name = user_class.__name__
    if not user_class.tasks:
        raise UserError(f"{name} has no task: mark a method with @task, and mind --tags and --exclude-tags")
    sets = [task.__name__ for task in user_class.tasks if inspect.isclass(task) and issubclass(task, TaskSet)]
    if sets:
        raise UserError(
            f"{name} has the TaskSet {sets[0]} as a task, which never ends: use @task methods, each arrival runs one of them"
        )
    try:
        process = user_class.arrival_process(chosen)
        shape.check(shape.session_settings(user_class))
    except ValueError as error:
        raise UserError(f"{name}: {error}") from None
    paced = process is not None or issubclass(user_class, ReplayUser)
    if chosen.closed and paced and not isinstance(process, ArrivalProcess):
        raise UserError(
            f"{name} cannot wait for responses: its arrivals have no gaps of one law; leave --closed out"
        )
    if has_wait_time(user_class) and paced and not chosen.closed:
        raise UserError(
            f"{name} has a wait_time, but arrivals set the pace: remove it; --lamb, --mu and --sigma choose arrivals"
        )


def _check_profile(ours: Iterable[type[ArrivalUser]], chosen: Settings) -> None:
    followers = [user for user in ours if issubclass(user, ProfileUser) and user.rate_profile is None]
    if chosen.rate_profile is not None and not followers:
        raise UserError(
            f"--rate-profile {chosen.rate_profile}: no user class here follows it; use ProfileUser (locustfiles/profile.py)"
        )


def _check_replay(ours: Iterable[type[ArrivalUser]], chosen: Settings) -> None:
    others = [user.__name__ for user in ours if not issubclass(user, ReplayUser)]
    if chosen.replay is not None and (others or not ours):
        raise UserError(
            f"--replay {chosen.replay}: only ReplayUser replays (locustfiles/replay.py), and there is "
            f"{', '.join(others) or 'none'} here"
        )


def check_host(user_classes: Sequence[type[User]], host: str | None) -> None:
    """Check that every user class has a host, an http or https URL; raise UserError."""
    for user_class in user_classes:
        chosen_host = host or user_class.host
        if not chosen_host:
            raise UserError(
                f"{user_class.__name__} has no host: give -H http://… or --url http://… (a node's address, for a service "
                "that a Docker swarm publishes), or --swarm local"
            )
        try:
            target(option_types.url(chosen_host))
        except ArgumentTypeError as error:
            raise UserError(f"--host {error}") from None
        except ValueError as error:
            raise UserError(f"--host: {error}") from None  # without its password


def lasts_seconds(user_classes: Iterable[type[User]], chosen: Settings) -> float:
    """Return after how many seconds of the run the last of its arrival processes ends; math.inf: one never does."""
    ends = [math.inf if process is None else process.ends_at for process in _processes(user_classes, chosen)]
    return max(ends, default=math.inf)


def _processes(user_classes: Iterable[type[User]], chosen: Settings) -> list[PointProcess | None]:
    ours = [user_class for user_class in user_classes if issubclass(user_class, ArrivalUser)]
    return [user_class.arrival_process(chosen) for user_class in ours]


def replay_record(trace: Trace) -> ArrivalProcessRecord:
    """Return what the run's streams are asked to be, together, when they replay a trace."""
    return ArrivalProcessRecord(kind="replay", description=repr(trace), rate=None, recorded=len(trace))


def arrival_record(
    user_classes: Iterable[type[User]], chosen: Settings
) -> tuple[ArrivalProcessRecord, list[PointProcess]]:
    """Return what the run's streams are asked to be, and their processes, each once; none in a closed loop."""
    processes = _processes(user_classes, chosen)
    known = list(dict.fromkeys(process for process in processes if process is not None))
    if chosen.closed or not known:
        pause = f", pauses {known[0]!r}" if known else ""
        return ArrivalProcessRecord(kind="closed", description=f"closed loop{pause}", rate=None), []
    first = known[0]
    words = [*map(str, known), *(["closed loop"] if None in processes else [])]
    alone = len(words) == 1
    return (
        ArrivalProcessRecord(
            kind=first.kind if alone else "mixed",
            description=" and ".join(words) + ", each user",
            rate=first.rate if isinstance(first, ArrivalProcess) and alone else None,
            mu=first.mean if isinstance(first, Normal) and alone else None,
            sigma=first.std if isinstance(first, Normal) and alone else None,
        ),
        known,
    )
