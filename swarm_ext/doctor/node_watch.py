"""One node's cAdvisor, watched for a few seconds: what it says, how often it measures, and what its clock shows."""

from __future__ import annotations

import time
from collections import Counter
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

import msgspec

from swarm_ext.cadvisor import CAdvisor, CAdvisorError
from swarm_ext.sampling.container_samples import container_name
from swarm_ext.sampling.node_series import NodeSeries, Poll

if TYPE_CHECKING:
    from swarm_ext.sampling.cadvisor_wire import ContainerInfo, ContainersReply

PATIENCE_SECONDS = 12.0
"""How long the slowest container of a node has to show a new point."""

POLL_SECONDS = 0.95
FEWEST_POLLS = 5
"""So many polls tell the clocks' offset to a few tenths of a second."""

_NEWEST_POINTS = 6


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """How one container is measured.

    `advanced`: a newer point came during the watch. `interval_seconds`: the usual time between its newest points, None with
    fewer than two of them.
    """

    container_id: str
    name: str
    advanced: bool
    interval_seconds: float | None


class NodeWatch(msgspec.Struct, frozen=True, kw_only=True):
    """What came of watching `node` for so many `seconds`: its containers, or with `error` why there is nothing to tell."""

    node: str
    url: str
    seconds: float
    error: str | None = None
    rejected: tuple[str, ...] = ()
    containers: tuple[Measured, ...] = ()
    clock_offset_seconds: float | None = None


def watch(node: str, url: str, patience_seconds: float = PATIENCE_SECONDS) -> NodeWatch:
    """Ask again and again until every container has shown a new point, but no longer than `patience_seconds`.

    Raises nothing: a cAdvisor that does not answer, once, is what the watch tells of.
    """
    began = time.monotonic()
    seen = _Seen(node)
    try:
        with CAdvisor(url) as cadvisor:
            while seen.polls < FEWEST_POLLS or (
                seen.is_waiting() and time.monotonic() - began < patience_seconds
            ):
                seen.poll(cadvisor)
                time.sleep(POLL_SECONDS)
            history = cadvisor.containers(points=_NEWEST_POINTS)
    except CAdvisorError as error:
        return NodeWatch(node=node, url=url, seconds=time.monotonic() - began, error=str(error))
    return NodeWatch(
        node=node,
        url=url,
        seconds=time.monotonic() - began,
        rejected=history.rejected,
        containers=tuple(seen.measured(info) for info in history.containers),
        clock_offset_seconds=seen.clock_offset_seconds,
    )


class _Seen:
    """What the polls have shown so far."""

    def __init__(self, node: str) -> None:
        self.polls = 0
        self.clock_offset_seconds: float | None = None
        self._series = NodeSeries("doctor", node, time.monotonic())
        self._news: Counter[str] = Counter()
        self._newest: ContainersReply | None = None

    def poll(self, cadvisor: CAdvisor) -> None:
        query = self._series.query(time.monotonic())
        asked_at = time.time()
        reply = self._newest = cadvisor.containers(query.since, points=query.points)
        batch = self._series.take(Poll(query, reply, None, asked_at, time.time(), time.monotonic()))
        self._news.update({sample.container_id for sample in batch.containers})
        self.clock_offset_seconds = batch.nodes[-1].clock_offset_seconds
        self.polls += 1

    def is_waiting(self) -> bool:
        return self._newest is not None and not all(map(self._has_advanced, self._newest.containers))

    def measured(self, info: ContainerInfo) -> Measured:
        container_id = info.container_id or ""
        return Measured(
            container_id=container_id,
            name=container_name(info, container_id),
            advanced=self._has_advanced(info),
            interval_seconds=_interval(info),
        )

    def _has_advanced(self, info: ContainerInfo) -> bool:
        return self._news[info.container_id or ""] > 1  # the first sight of it is no news


def _interval(info: ContainerInfo) -> float | None:
    stamps = sorted(point.timestamp for point in info.stats or () if point is not None)
    gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(stamps)]
    return median(gaps) if gaps else None
