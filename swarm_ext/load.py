"""What the load did, second by second: counted in each generating process, merged on the master. No I/O, no Locust.

A generating process has a `LoadRecorder`; it closes each second into a `LoadCounts`, which is what travels. A `LoadMerger`
adds those of all processes up and gives a `LoadSample` for each second, and the run's totals.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec

from swarm_ext import histogram
from swarm_ext.model import LoadSample, Phase, Totals, from_epoch

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

Outcome = Literal["completed", "failed", "abandoned"]

MOST_REPLICAS, OTHER_REPLICAS = 1000, "(others)"
"""So many replicas are told apart in a second; a service that names each response anew is none with that many."""

LATE_SECONDS = 3
"""How long the merger waits for a process that has not reported a second."""


class LoadCounts(msgspec.Struct, kw_only=True):
    """One second of one generating process. `second` is whole seconds since the epoch; the rest is as in LoadSample."""

    second: int
    offered: int = 0
    started: int = 0
    dropped: int = 0
    completed: int = 0
    failed: int = 0
    abandoned: int = 0
    in_flight: int = 0
    users: int = 0
    asked_rate: float | None = None
    response_times: dict[int, int] = {}
    schedule_lags: dict[int, int] = {}
    schedule_lag_max_seconds: float | None = None
    replica_requests: dict[str, int] = {}


class _Part(NamedTuple):
    """A second of one process, as the master's clock has it."""

    source: str
    second: int
    counts: LoadCounts


class LoadRecorder:
    """Counts arrivals in the second in which each thing happened to them.

    Instants are those of `clock`; `epoch` is when that clock was 0, in seconds since the epoch. `gauges` gives users and
    asked rate [1/s] at an instant, the end of a second. Every method is called from one thread and never yields.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        gauges: Callable[[float], tuple[int, float | None]],
        *,
        epoch: float = 0.0,
    ) -> None:
        self._clock = clock
        self._gauges = gauges
        self._epoch = epoch
        self._closed: list[LoadCounts] = []
        self.in_flight = 0
        self.offered = 0
        self._begin(int(self.now))

    def _begin(self, second: int) -> None:
        self._now = LoadCounts(second=second)
        self._end = second + 1 - self._epoch

    @property
    def now(self) -> float:
        """The present on the clock by which the seconds are counted, in seconds since the epoch."""
        return self._clock() + self._epoch

    def dropped(self, at: float) -> None:
        """Count an arrival that was due and not started, because too many were in flight."""
        counts = self._now if at < self._end else self._next(at)
        counts.offered += 1
        counts.dropped += 1
        self.offered += 1

    def started(self, at: float) -> None:
        """Count an arrival that was due and is started."""
        counts = self._now if at < self._end else self._next(at)
        counts.offered += 1
        counts.started += 1
        self.offered += 1
        self.in_flight += 1

    def lagged(self, at: float, seconds: float) -> None:
        """Record by how much a started arrival began after its scheduled instant."""
        counts = self._now if at < self._end else self._next(at)
        lags = counts.schedule_lags
        bucket = histogram.bucket(seconds)
        lags[bucket] = lags.get(bucket, 0) + 1
        longest = counts.schedule_lag_max_seconds
        if longest is None or seconds > longest:
            counts.schedule_lag_max_seconds = max(0.0, seconds)

    def ended(self, at: float, outcome: Outcome, response_seconds: float) -> None:
        """Count a started arrival's end; how long it took matters if it was completed."""
        counts = self._now if at < self._end else self._next(at)
        self.in_flight -= 1
        if outcome == "completed":
            counts.completed += 1
            times = counts.response_times
            bucket = histogram.bucket(response_seconds)
            times[bucket] = times.get(bucket, 0) + 1
        elif outcome == "failed":
            counts.failed += 1
        else:
            counts.abandoned += 1

    def answered_by(self, at: float, replica: str) -> None:
        """Count a request that the replica of this name answered."""
        requests = (self._now if at < self._end else self._next(at)).replica_requests
        if replica not in requests and len(requests) >= MOST_REPLICAS:
            replica = OTHER_REPLICAS
        requests[replica] = requests.get(replica, 0) + 1

    def take_closed(self) -> list[LoadCounts]:
        """Return the seconds that are over and were not taken yet."""
        at = self._clock()
        if at >= self._end:
            self._next(at)
        closed, self._closed = self._closed, []
        return closed

    def take_all(self) -> list[LoadCounts]:
        """Return every second not taken yet, the present one too; for the end of a run, when nothing more will come."""
        closed = self.take_closed()
        self._close(min(self._clock(), self._end))
        closed.append(self._now)
        self._begin(self._now.second)
        return closed

    def _next(self, at: float) -> LoadCounts:
        """Close the present second, and return the one of an instant."""
        self._close(self._end)
        self._closed.append(self._now)
        self._begin(int(at + self._epoch))
        return self._now

    def _close(self, at: float) -> None:
        self._now.in_flight = self.in_flight
        self._now.users, self._now.asked_rate = self._gauges(at)


class LoadMerger:
    """Adds the seconds of all generating processes up.

    `add` what came from each; `samples` gives the seconds that every process named has reported, or that are
    `LATE_SECONDS` old: one LoadSample each, without gaps, in order. What comes later than that is filed under the next
    second that was not given yet; `rest` gives all that is left, so that the samples' counts add up to the totals.
    """

    def __init__(self, run_id: str, first_second: int) -> None:
        self._run_id = run_id
        self._next = first_second
        self._pending: dict[int, list[_Part]] = {}
        self._reported: dict[str, int] = {}
        self._offered: Counter[str] = Counter()
        self._sum = LoadCounts(second=0)

    def skip_to(self, second: int) -> None:
        """Begin at a later second than at first thought: nothing has been counted before it."""
        self._next = second

    def add(self, source: str, counts: Iterable[LoadCounts], *, seconds_ahead: int = 0) -> None:
        """Take seconds from one process, whose clock is so many whole seconds ahead of the one that samples are on.

        Give the same number throughout a run, or seconds are filed twice or skipped.
        """
        for counted in counts:
            part = _Part(source, counted.second - seconds_ahead, counted)
            self._reported[source] = max(part.second, self._reported.get(source, part.second))
            self._offered[source] += counted.offered
            self._pending.setdefault(max(part.second, self._next), []).append(part)
            self._sum = _merged(0, [self._sum, counted], gauges=[])
            self._sum.replica_requests.clear()  # a run may see any number of replicas, and no total tells of them

    def offered(self, source: str | None = None) -> int:
        """Return the arrivals offered so far, by one process or by all."""
        return self._sum.offered if source is None else self._offered[source]

    def samples(
        self, now: float, sources: Collection[str], phase: Callable[[float], Phase]
    ) -> list[LoadSample]:
        """Return the samples of the seconds that are complete at `now` (seconds since the epoch)."""
        complete = []
        while self._next < int(now) and (
            all(self._reported.get(source, 0) >= self._next for source in sources)
            or self._next < now - LATE_SECONDS
        ):
            complete.append(self._take_next(phase))
        return complete

    def rest(self, now: float, phase: Callable[[float], Phase]) -> list[LoadSample]:
        """Return the samples of all seconds left, the one of `now` too; for the end of a run.

        A process whose clock is a little ahead has counted things after `now`: they are filed under the last second.
        """
        last = max(int(now), self._next) if self._pending else int(now)
        for second in sorted(second for second in self._pending if second > last):
            self._pending.setdefault(last, []).extend(self._pending.pop(second))
        return [self._take_next(phase) for _ in range(self._next, last + 1)]

    def _take_next(self, phase: Callable[[float], Phase]) -> LoadSample:
        parts = self._pending.pop(self._next, [])
        newest = {part.source: part.counts for part in sorted(parts, key=lambda part: part.second)}
        merged = _merged(self._next, [part.counts for part in parts], gauges=newest.values())
        self._next += 1
        return _sample(self._run_id, merged, phase(merged.second))

    def totals(self) -> Totals:
        """Return the run's totals. What was started and never heard of again (a lost process) was abandoned."""
        total = self._sum
        known = total.completed + total.failed + total.dropped + total.abandoned
        return Totals(
            offered=total.offered,
            completed=total.completed,
            failed=total.failed,
            dropped=total.dropped,
            abandoned=total.abandoned + max(0, total.offered - known),
            response_times=total.response_times,
            schedule_lags=total.schedule_lags,
            schedule_lag_max_seconds=total.schedule_lag_max_seconds,
        )


def _merged(second: int, parts: Collection[LoadCounts], *, gauges: Collection[LoadCounts]) -> LoadCounts:
    """Add up what `parts` counted, and what `gauges`, one of each process, say of a second's end."""
    rates = [part.asked_rate for part in gauges if part.asked_rate is not None]
    lags = [part.schedule_lag_max_seconds for part in parts if part.schedule_lag_max_seconds is not None]
    requests: Counter[str] = Counter()
    for part in parts:
        requests.update(part.replica_requests)
    return LoadCounts(
        second=second,
        offered=sum(part.offered for part in parts),
        started=sum(part.started for part in parts),
        dropped=sum(part.dropped for part in parts),
        completed=sum(part.completed for part in parts),
        failed=sum(part.failed for part in parts),
        abandoned=sum(part.abandoned for part in parts),
        in_flight=sum(part.in_flight for part in gauges),
        users=sum(part.users for part in gauges),
        asked_rate=sum(rates) if rates else None,
        response_times=histogram.merge(part.response_times for part in parts),
        schedule_lags=histogram.merge(part.schedule_lags for part in parts),
        schedule_lag_max_seconds=max(lags, default=None),
        replica_requests=dict(requests),
    )


def _sample(run_id: str, counts: LoadCounts, phase: Phase) -> LoadSample:
    values = {name: getattr(counts, name) for name in LoadCounts.__struct_fields__ if name != "second"}
    return LoadSample(
        run_id=run_id,
        timestamp=from_epoch(counts.second),
        phase=phase,
        response_time_p50_seconds=histogram.quantile(counts.response_times, 0.50),
        response_time_p95_seconds=histogram.quantile(counts.response_times, 0.95),
        response_time_p99_seconds=histogram.quantile(counts.response_times, 0.99),
        schedule_lag_p99_seconds=histogram.quantile(counts.schedule_lags, 0.99),
        **values,
    )
