"""What is known of one node's containers from one poll to the next: pure, given the replies and the clocks."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from swarm_ext.model import ContainerSample, NodeSample, from_epoch
from swarm_ext.sampling.clock_offset import ClockOffset
from swarm_ext.sampling.container_samples import (
    CLOCK_SET_BACK,
    CpuPoint,
    container_samples,
    newest_timestamp,
    node_samples,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from swarm_ext.sampling.cadvisor_wire import ContainerInfo, ContainersReply, Machine

LATEST_PUBLICATION = timedelta(seconds=5)
"""How long after stamping a point cAdvisor may publish it: what is older was there at the last successful poll."""
USUAL_PUBLICATION = timedelta(seconds=2)
"""So far back is always asked again: a new container's first point may be older than the others' newest."""
FORGET_AFTER_SECONDS = 10.0
"""Absent from the replies for so long, a container is gone for good; sooner, it may be a race within cAdvisor."""
MOST_POINTS_AT_FIRST = 200
CONTAINERS_IN_A_ROW = 5
"""How many are read at a time: a quarter of a millisecond."""


class Query(NamedTuple):
    """What to ask cAdvisor for: the `points` newest points (-1: all) since `since`, inclusive (None: ever)."""

    since: datetime | None
    points: int


class Poll(NamedTuple):
    """One answered poll. `root` is None if it was not given; wall clock times are ours, `now` is monotonic [s]."""

    query: Query
    reply: ContainersReply
    root: ContainerInfo | None
    asked_at: float
    received_at: float
    now: float


class Batch(NamedTuple):
    """What a poll brought that was not there before."""

    containers: list[ContainerSample]
    nodes: list[NodeSample]


@dataclass
class _Track:
    last: CpuPoint
    advanced_at: float
    seen_at: float


@dataclass
class NodeSeries:
    """The series of one node's containers, and of the node itself.

    It asks only for what is newer than what it has, and gives each point once; points that a failed poll would have
    brought come with the next one that succeeds. Nothing here compares the node's clock with ours, except for the
    estimate of their offset. `started` is when the sampling began, monotonic seconds; `machine` may be set later.
    """

    run_id: str
    node: str
    started: float
    stale_after_seconds: float = 5.0
    machine: Machine | None = None
    _tracks: dict[str, _Track] = field(default_factory=dict)
    _root: CpuPoint | None = None
    _horizon: datetime | None = None
    _asked_before: float | None = None
    _idle_since: float | None = None
    _offset: ClockOffset = field(default_factory=ClockOffset)

    def query(self, now: float) -> Query:
        """Return what to ask for now of all containers.

        At first it is about as many points as there were seconds since the start. Later it is all since the oldest
        last point of a live container, but since a successful poll leaves nothing behind except what is published
        late, no further back than `LATEST_PUBLICATION` before the newest point: a container that is measured rarely
        does not make every answer long. When nothing at all has come for a while it is the newest point alone,
        whatever its stamp, which shows whether the node's clock was set back.
        """
        if self._horizon is None:
            elapsed_seconds = max(0, math.floor(now - self.started))
            return Query(None, min(1 + elapsed_seconds, MOST_POINTS_AT_FIRST))
        if self._idle_since is not None and now - self._idle_since >= self.stale_after_seconds:
            return Query(None, 1)
        oldest = min((track.last.timestamp for track in self._tracks.values()), default=self._horizon)
        since = min(max(oldest, self._horizon - LATEST_PUBLICATION), self._horizon - USUAL_PUBLICATION)
        return Query(since, -1)

    def root_query(self, query: Query) -> Query:
        """Return what to ask for of the root, together with `query`: all since its own last point, if it has one.

        It is only one container, and may have failed alone: then nothing but its own last point tells what is missing.
        """
        if query.since is None or self._root is None:
            return query
        return Query(min(query.since, self._root.timestamp), -1)

    def take(self, poll: Poll, let_others: Callable[[], object] = lambda: None) -> Batch:
        """Take in an answered poll, and return its new samples, oldest first for each container.

        `let_others` is called after every few containers: many of them take milliseconds, and others may have to run. When
        it raises nothing has been taken, and all of it comes with the next poll.
        """
        begins_again = poll.query.since is None and self._was_set_back(poll)
        tracks: dict[str, _Track] = {} if begins_again else self._tracks
        read = []
        for number, info in enumerate(poll.reply.containers, 1):
            track = tracks.get(info.container_id or "")
            read.append((info, track, self._samples(info, track)))
            if number % CONTAINERS_IN_A_ROW == 0:
                let_others()
        if begins_again:
            self._begin_again()
        earliest_ago = timedelta(seconds=poll.now - self.started) if self._horizon is None else None
        known = {container_id: track.last.timestamp for container_id, track in self._tracks.items()}
        samples: list[ContainerSample] = []
        for info, track, new in read:
            samples += self._take_container(info, track, new, poll.now, earliest_ago)
        self._forget_the_gone(poll.now)
        self._observe_clocks(poll, [s.timestamp for s in samples if s.container_id in known])
        nodes = self._take_root(poll, earliest_ago)
        self._idle_since = None if samples or nodes else (self._idle_since or poll.now)
        self._asked_before = poll.asked_at
        return Batch(samples, nodes or self._without_root(poll))

    def missed(self) -> None:
        """Note that a poll failed: its points are still to come, and the machine may come back as another one."""
        self._idle_since = None
        self.machine = None

    def give_up_backlog(self, now: float) -> None:
        """Ask for the newest points only, next time: all that is missing is more than can be taken."""
        self._horizon = None
        self.started = now

    @property
    def container_ids(self) -> frozenset[str]:
        """The containers that are there, or were a moment ago."""
        return frozenset(self._tracks)

    def seconds_since_advance(self, container_id: str, now: float) -> float:
        """Return for how long no newer point of the container has come; infinity for one not known."""
        track = self._tracks.get(container_id)
        return now - track.advanced_at if track else math.inf

    def _samples(self, info: ContainerInfo, track: _Track | None) -> list[ContainerSample]:
        """Return a container's samples that are newer than what is known of it."""
        if info.container_id is None:
            return []
        return container_samples(
            info,
            run_id=self.run_id,
            node=self.node,
            machine=self.machine,
            previous=track.last if track else None,
        )

    def _take_container(
        self,
        info: ContainerInfo,
        track: _Track | None,
        samples: list[ContainerSample],
        now: float,
        earliest_ago: timedelta | None,
    ) -> list[ContainerSample]:
        container_id = info.container_id
        if container_id is None:
            return []
        if track is not self._tracks.get(container_id):  # the reply has it twice
            track = self._tracks[container_id]
            samples = self._samples(info, track)
        if track:
            track.seen_at = now
        if not samples:
            return []
        newest = samples[-1]
        last = CpuPoint(newest.timestamp, newest.cpu_usage_seconds)
        self._tracks[container_id] = _Track(last, advanced_at=now, seen_at=now)
        if earliest_ago is None:
            return samples
        return [sample for sample in samples if sample.timestamp >= newest.timestamp - earliest_ago]

    def _take_root(self, poll: Poll, earliest_ago: timedelta | None) -> list[NodeSample]:
        if poll.root is None:
            return []
        samples, self._root = node_samples(
            poll.root,
            run_id=self.run_id,
            node=self.node,
            machine=self.machine,
            previous=self._root,
            clock_offset_seconds=self._offset.seconds,
        )
        if samples:
            self._advance_horizon(samples[-1].timestamp)
        if earliest_ago is None:
            return samples
        return [sample for sample in samples if sample.timestamp >= samples[-1].timestamp - earliest_ago]

    def _without_root(self, poll: Poll) -> list[NodeSample]:
        if self._root is not None and poll.root is not None:
            return []  # it has merely not advanced
        return [
            NodeSample(
                run_id=self.run_id,
                timestamp=from_epoch(poll.received_at),
                node=self.node,
                cores=float(self.machine.num_cores) if self.machine and self.machine.num_cores else None,
                cpu_usage_cores=None,
                memory_usage_bytes=None,
                memory_capacity_bytes=self.machine.memory_capacity if self.machine else None,
                clock_offset_seconds=self._offset.seconds,
            )
        ]

    def _observe_clocks(self, poll: Poll, new_of_known: Sequence[datetime]) -> None:
        newest = max(filter(None, map(newest_timestamp, poll.reply.containers)), default=None)
        if newest is None:
            return
        self._advance_horizon(newest)
        self._offset.observe(
            newest=newest.timestamp(),
            received=poll.received_at,
            oldest_new=min(new_of_known).timestamp() if new_of_known else None,
            asked_before=self._asked_before,
        )

    def _advance_horizon(self, timestamp: datetime) -> None:
        if self._horizon is None or timestamp > self._horizon:
            self._horizon = timestamp

    def _was_set_back(self, poll: Poll) -> bool:
        tracks = [(info, self._tracks.get(info.container_id or "")) for info in poll.reply.containers]
        lasts = [(info, track.last) for info, track in tracks if track]
        if poll.root and self._root:
            lasts.append((poll.root, self._root))
        for info, last in lasts:
            newest = newest_timestamp(info)
            if newest and newest < last.timestamp - CLOCK_SET_BACK:
                return True
        return False

    def _begin_again(self) -> None:
        self._tracks.clear()
        self._root = None
        self._horizon = None
        self._asked_before = None
        self._offset.forget()

    def _forget_the_gone(self, now: float) -> None:
        gone = [
            container_id
            for container_id, track in self._tracks.items()
            if now - track.seen_at > FORGET_AFTER_SECONDS
        ]
        for container_id in gone:
            del self._tracks[container_id]
