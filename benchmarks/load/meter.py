"""What a Locust process measures of itself, the same for every locustfile here: told as one line of JSON at the end.

It begins when all users are there and ends with the last request; the start of Python is not in it.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from locust import events

from benchmarks.load import MARK
from benchmarks.slices import quantile

if TYPE_CHECKING:
    from locust.env import Environment

lateness: list[float] = []
"""By how many seconds each request began late, where a locustfile keeps a schedule of its own."""
_began: list[tuple[float, float, int]] = []
_schedule: list[float] = []


def schedule_begins(instant: float) -> None:
    """Count from an instant to come, in monotonic seconds: before it there are no requests."""
    _schedule[:] = [instant]


@events.init.add_listener  # type: ignore[untyped-decorator]
def _watch(environment: Environment, **_: Any) -> None:
    def begin(**_: Any) -> None:
        if not _began:
            _began.append((time.monotonic(), time.process_time(), environment.stats.total.num_requests))

    environment.events.spawning_complete.add_listener(begin)


@events.test_stopping.add_listener  # type: ignore[untyped-decorator]
def _tell(environment: Environment, **_: Any) -> None:
    began, cpu, before = _began[0] if _began else (time.monotonic(), time.process_time(), 0)
    began = max([began, *_schedule])
    total = environment.stats.total
    last = total.last_request_timestamp or time.time()  # Locust's clock is the system's
    ended = last - time.time() + time.monotonic()
    requests = total.num_requests - before
    measured = {
        "offered": requests / max(1e-9, ended - began),
        "errors": total.num_failures,
        "cpu_seconds_per_request": (time.process_time() - cpu) / requests if requests else None,
        "late_p50_seconds": quantile(lateness, 0.5),
        "late_p99_seconds": quantile(lateness, 0.99),
    }
    print(MARK + json.dumps(measured), flush=True)
