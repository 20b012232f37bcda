"""A run as it is known when it begins: who asked for what, with which seed and versions. No credentials."""

from __future__ import annotations

import hashlib
import platform
import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import gevent
import locust

from swarm_ext import __version__
from swarm_ext.arrivals import schedule_hash
from swarm_ext.model import Run
from swarm_ext.preflight import arrival_record, replay_record
from swarm_ext.run_id import new_run_id
from swarm_ext.settings import options_of, shown
from swarm_ext.web_address import without_credentials

if TYPE_CHECKING:
    from collections.abc import Sequence

    from locust.env import Environment

    from swarm_ext.asked import Asked
    from swarm_ext.model import ArrivalProcessRecord
    from swarm_ext.swarm import Swarm


def new_run(environment: Environment, asked: Asked, swarm: Swarm | None, service: str) -> Run:
    """Return the record of a run that begins now; without --seed it gets one by chance.

    `service` is the full name of the service under load, which is not known without a swarm.
    """
    start = datetime.now(UTC)
    chosen = asked.chosen
    seed = secrets.randbits(32) if chosen.seed is None else chosen.seed
    record, schedule = _arrivals(environment, asked, seed)
    options = options_of(environment)
    locusts = {"users": options.num_users, "spawn_rate": options.spawn_rate, "run_time": options.run_time}
    return Run(
        id=new_run_id(start),
        start=start,
        host=without_credentials(environment.host or "") or None,
        locustfile=environment.locustfile,
        swarm=None if swarm is None else swarm.kind,
        service=None if swarm is None else service,
        arrival_process=record,
        seed=seed,
        schedule_hash=schedule,
        options={**shown(chosen), **{name: value for name, value in locusts.items() if value is not None}},
        tags=chosen.run_tags or {},
        versions={
            "swarm-ext": __version__,
            "locust": locust.__version__,
            "gevent": gevent.__version__,
            "python": platform.python_version(),
        },
    )


def _arrivals(environment: Environment, asked: Asked, seed: int) -> tuple[ArrivalProcessRecord, str | None]:
    """Return what arrivals are asked for, and a hash of their schedule; None where there is no schedule."""
    if asked.trace is not None:
        return replay_record(asked.trace), asked.trace.digest()
    record, processes = arrival_record(environment.user_classes, asked.chosen)
    return record, joint_hash([schedule_hash(process, seed) for process in processes])


def joint_hash(hashes: Sequence[str]) -> str | None:
    """Return one hash for several: that of all of them together, or the only one; None where there is none."""
    if len(hashes) > 1:
        return hashlib.sha256(" ".join(hashes).encode()).hexdigest()
    return hashes[0] if hashes else None
