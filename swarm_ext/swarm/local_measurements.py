"""What the embedded swarm's node measures: each replica's CPU and memory, and the machine's, read from the system."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

from swarm_ext.swarm.local_replica import Report

if TYPE_CHECKING:
    from collections.abc import Mapping

MEMORY_SECONDS = 120.0
"""How long points are remembered: what cAdvisor is usually told by `--storage_duration`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One measurement. CPU times are cumulative, in ns; memory in bytes; `report` has the replica's own counters."""

    timestamp_ns: int
    cpu_total_ns: int
    cpu_user_ns: int
    cpu_system_ns: int
    memory_usage_bytes: int
    memory_working_set_bytes: int
    report: Report


class Window:
    """The points of the last two minutes, oldest first."""

    def __init__(self) -> None:
        self._points: deque[Point] = deque()

    def add(self, point: Point) -> None:
        """Remember a point, and forget those that are too old beside it."""
        self._points.append(point)
        oldest_ns = point.timestamp_ns - round(MEMORY_SECONDS * 1e9)
        while self._points[0].timestamp_ns < oldest_ns:
            self._points.popleft()

    def between(self, start_ns: int | None, end_ns: int | None, newest: int) -> list[Point]:
        """Return the points from `start_ns` to `end_ns`, both inclusive, the `newest` of them (negative: all)."""
        found = [
            point
            for point in self._points
            if (start_ns is None or point.timestamp_ns >= start_ns)
            and (end_ns is None or point.timestamp_ns <= end_ns)
        ]
        return found if newest < 0 else found[max(0, len(found) - newest) :]


class Recorder:
    """The windows of the machine and of every replica that runs. May be used by several threads."""

    def __init__(self) -> None:
        self._machine = Window()
        self._replicas: dict[str, Window] = {}
        self._lock = threading.Lock()

    def measure(self, replicas: Mapping[str, tuple[int, Report]]) -> None:
        """Add a point for the machine and for each replica: container id → (process id, newest report)."""
        machine = measure_machine()
        points = {container: measure_process(pid, report) for container, (pid, report) in replicas.items()}
        with self._lock:
            self._machine.add(machine)
            for container, point in points.items():
                if point is not None:
                    self._replicas.setdefault(container, Window()).add(point)
            for gone in self._replicas.keys() - replicas.keys():
                del self._replicas[gone]

    def replica(self, container: str, start_ns: int | None, end_ns: int | None, newest: int) -> list[Point]:
        """Return a replica's points as `Window.between` does; none if it is unknown."""
        with self._lock:
            window = self._replicas.get(container)
            return window.between(start_ns, end_ns, newest) if window else []

    def machine(self, start_ns: int | None, end_ns: int | None, newest: int) -> list[Point]:
        """Return the machine's points as `Window.between` does."""
        with self._lock:
            return self._machine.between(start_ns, end_ns, newest)


def measure_process(pid: int, report: Report) -> Point | None:
    """Measure a process; None if it has just ended. Its resident memory counts as usage and as working set."""
    try:
        process = psutil.Process(pid)
        with process.oneshot():
            times = process.cpu_times()
            resident = process.memory_info().rss
        total_ns = _exact_cpu_ns(pid)
    except (psutil.NoSuchProcess, ProcessLookupError):
        return None
    user_ns, system_ns = round(times.user * 1e9), round(times.system * 1e9)
    return Point(
        timestamp_ns=time.time_ns(),
        cpu_total_ns=user_ns + system_ns if total_ns is None else total_ns,
        cpu_user_ns=user_ns,
        cpu_system_ns=system_ns,
        memory_usage_bytes=resident,
        memory_working_set_bytes=resident,
        report=report,
    )


def measure_machine() -> Point:
    """Measure the whole machine; CPU time stolen by a hypervisor is not its usage."""
    times = psutil.cpu_times()
    user = times.user + getattr(times, "nice", 0.0)
    system = times.system + getattr(times, "irq", 0.0) + getattr(times, "softirq", 0.0)
    memory = psutil.virtual_memory()
    return Point(
        timestamp_ns=time.time_ns(),
        cpu_total_ns=round((user + system) * 1e9),
        cpu_user_ns=round(user * 1e9),
        cpu_system_ns=round(system * 1e9),
        memory_usage_bytes=memory.total - memory.free,
        memory_working_set_bytes=memory.total - memory.available,
        report=Report(),
    )


def _exact_cpu_ns(pid: int) -> int | None:
    """Return a process's CPU time from its own clock, where there is one: exact, while /proc counts in ticks of 10 ms.

    The clock's number is what clock_getcpuclockid(3) makes of a process id on Linux.
    """
    if not sys.platform.startswith("linux"):
        return None
    try:
        return time.clock_gettime_ns((~pid << 3) | 2)
    except OSError as error:
        raise ProcessLookupError(pid) from error
