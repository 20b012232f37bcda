"""A CPU limit that a process keeps by itself, by the rule of the kernel's CFS bandwidth control.

In every period of 100 ms of wall-clock time a process may use `cores` × 100 ms of CPU time. Quota that is left over is
lost, CPU time used beyond it is a debt that later periods pay, and a process without quota stands still until the
next period (Linux: Documentation/scheduler/sched-bwc.rst). Standard library only: it is part of a container image.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

PERIOD_NS = 100_000_000
LOWEST_CORES = 0.01
HIGHEST_CORES = 1.0


def check_cores(cores: float) -> None:
    """Raise ValueError unless one process can be held to `cores`, and use it up."""
    if not LOWEST_CORES <= cores <= HIGHEST_CORES:
        raise ValueError(
            f"a CPU limit of {cores:g} cores is not possible: it must lie between {LOWEST_CORES:g} and "
            f"{HIGHEST_CORES:g}, because one Python process computes on one core; for more, use more replicas"
        )


class CpuLimit:
    """How much CPU time is left in this period, and the counters that a cgroup keeps.

    `periods` counts periods in which CPU was used or wanted, `throttled_periods` those of them that ended without
    quota, `throttled_ns` the wall-clock time that the process stood still. CPU time used before this object was
    made (the interpreter's own start) is charged too. `cores` outside 0.01 … 1 raises ValueError.
    """

    def __init__(
        self,
        cores: float,
        *,
        wall_clock_ns: Callable[[], int] = time.monotonic_ns,
        cpu_clock_ns: Callable[[], int] = time.process_time_ns,
    ) -> None:
        check_cores(cores)
        self.quota_ns = round(cores * PERIOD_NS)
        self.periods = 0
        self.throttled_periods = 0
        self.throttled_ns = 0
        self._wall_clock_ns = wall_clock_ns
        self._cpu_clock_ns = cpu_clock_ns
        self._period_end_ns = wall_clock_ns() + PERIOD_NS
        self._left_ns = self.quota_ns
        self._charged_ns = 0
        self._throttled_since_ns: int | None = None

    def charge(self) -> int:
        """Charge the CPU time used since the last call; return how many ns to stand still before calling again, 0: none."""
        now = self._wall_clock_ns()
        used = self._cpu_clock_ns()
        self._left_ns -= used - self._charged_ns
        self._charged_ns = used
        if now >= self._period_end_ns:
            self._refill((now - self._period_end_ns) // PERIOD_NS + 1)
        if self._left_ns > 0:
            if self._throttled_since_ns is not None:
                self.throttled_ns += now - self._throttled_since_ns
                self._throttled_since_ns = None
            return 0
        if self._throttled_since_ns is None:
            self._throttled_since_ns = now
        return self._period_end_ns - now

    def _refill(self, elapsed_periods: int) -> None:
        self._period_end_ns += elapsed_periods * PERIOD_NS
        if self._left_ns <= 0:
            until_positive = -self._left_ns // self.quota_ns + 1
            throttled = min(elapsed_periods, until_positive)
            self.periods += throttled
            self.throttled_periods += throttled
        elif self._left_ns < self.quota_ns:
            self.periods += 1
        self._left_ns = min(self.quota_ns, self._left_ns + elapsed_periods * self.quota_ns)
