"""Samples every node of a swarm while a run lasts: one greenlet a node, following the nodes as they come and go."""

from __future__ import annotations

import logging
import math
import time
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import gevent
from gevent.event import Event

from swarm_ext.cadvisor import TIMEOUT_SECONDS
from swarm_ext.model import Node
from swarm_ext.sampling.node_poller import NodePoller
from swarm_ext.sampling.node_series import NodeSeries
from swarm_ext.sampling.ticks import next_tick
from swarm_ext.troubles import TroubleLog
from swarm_ext.web_address import host_and_port, without_credentials

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from swarm_ext.model import ContainerSample, NodeSample, Trouble
    from swarm_ext.sampling.node_series import Batch

STALE_AFTER_SECONDS = 5.0

RecordT = TypeVar("RecordT", "ContainerSample", "NodeSample")

_log = logging.getLogger(__name__)


class _NodeKey(NamedTuple):
    id: str
    name: str
    cadvisor_url: str


class Sampler:
    """Polls the cAdvisor of every node that `nodes()` names, and hands over what is new.

    `on_samples` gets the container samples and `on_node_samples` the node samples of each poll, if there are any.
    Each point is given once, although nodes, requests and listeners may fail: a failure never ends the sampling; it is
    counted (`troubles`) and logged once when it begins and once when it ends. Nodes that are down or drained, or
    have no `cadvisor_url`, are not sampled. `nodes` is called every second interval; when it raises, the
    nodes known so far are kept.

    `timeout_seconds` (connect, read) bounds each request. Needs a running gevent hub; for requests not to
    block each other, a monkey-patched process, as Locust's is.
    """

    def __init__(
        self,
        run_id: str,
        nodes: Callable[[], Sequence[Node]],
        *,
        on_samples: Callable[[Sequence[ContainerSample]], object],
        on_node_samples: Callable[[Sequence[NodeSample]], object],
        interval_seconds: float = 1.0,
        timeout_seconds: tuple[float, float] = TIMEOUT_SECONDS,
    ) -> None:
        if not 0 < interval_seconds < math.inf:
            raise ValueError(f"interval_seconds={interval_seconds!r} must be a positive number; try 1.0")
        self._run_id = run_id
        self._nodes = nodes
        self._on_samples = on_samples
        self._on_node_samples = on_node_samples
        self._interval_seconds = interval_seconds
        self._timeout_seconds = timeout_seconds
        self._started = time.monotonic()
        self._stopping = Event()
        self._follower: gevent.Greenlet | None = None
        self._pollers: dict[_NodeKey, NodePoller] = {}
        self._leaving: list[gevent.Greenlet] = []
        self._series: dict[_NodeKey, NodeSeries] = {}
        self._owners: dict[str, _NodeKey] = {}
        self._logs: dict[str, TroubleLog] = {}

    def start(self) -> None:
        """Begin, in the background. The start of the sampling is now: what was measured before is not asked for."""
        if self._follower is not None:
            raise RuntimeError("this sampler was started already; make a new one for each run")
        self._started = time.monotonic()
        self._follower = gevent.spawn(self._follow_nodes)

    def poll_once(self, timeout_seconds: float = 10.0) -> None:
        """Poll every node once, all at the same time, and wait for them, but not longer than the timeout."""
        self._refresh_nodes()
        polls = [gevent.spawn(poller.poll) for poller in self._pollers.values()]
        gevent.joinall(polls, timeout=timeout_seconds)
        gevent.killall(polls)

    def stop(self, timeout_seconds: float = 5.0) -> None:
        """Poll every node a last time and end; what has not ended after the timeout is cut off. Idempotent."""
        self._stopping.set()
        if self._follower is not None:
            self._follower.kill()
        ending = [*self._leaving, *(poller.stop() for poller in self._pollers.values())]
        gevent.joinall(ending, timeout=timeout_seconds)
        gevent.killall(ending)

    def troubles(self) -> list[Trouble]:
        """Return what failed so far, with counts."""
        return [trouble for log in self._logs.values() if (trouble := log.trouble())]

    def is_stale(self, container_id: str) -> bool:
        """Whether no newer point of the container has come for 5 s of our clock, or none at all."""
        now = time.monotonic()
        ages = [series.seconds_since_advance(container_id, now) for series in self._series.values()]
        return min(ages, default=math.inf) >= STALE_AFTER_SECONDS

    def stale_containers(self) -> frozenset[str]:
        """Return the ids of the containers that are there, but whose newest point is stale."""
        known = {
            container_id for poller in self._pollers.values() for container_id in poller.series.container_ids
        }
        return frozenset(container_id for container_id in known if self.is_stale(container_id))

    def _follow_nodes(self) -> None:
        tick = time.monotonic()
        while not self._stopping.is_set():
            self._refresh_nodes()
            for poller in self._pollers.values():
                poller.start()
            now = time.monotonic()
            tick = next_tick(tick, now, 2 * self._interval_seconds)
            self._stopping.wait(tick - now)

    def _refresh_nodes(self) -> None:
        log = self._trouble_log("list of nodes")
        try:
            nodes = self._nodes()
        except Exception as error:  # noqa: BLE001  whatever a swarm raises, the known nodes are still sampled
            log.failed(_one_line(error))
            return
        log.succeeded()
        wanted = {
            _NodeKey(node.id, node.name, node.cadvisor_url): node
            for node in nodes
            if node.cadvisor_url and node.state in {"ready", "unknown"}
        }
        for key in self._pollers.keys() - wanted.keys():
            self._leaving.append(self._pollers.pop(key).stop())
        self._leaving = [greenlet for greenlet in self._leaving if not greenlet.dead]
        self._owners = {
            container_id: key
            for container_id, key in self._owners.items()
            if container_id in self._series[key].container_ids
        }
        for key in wanted.keys() - self._pollers.keys():
            self._pollers[key] = self._poller(key, wanted[key])

    def _poller(self, key: _NodeKey, node: Node) -> NodePoller:
        series = self._series.get(key)  # of a node that comes back: goes on where it ended
        if series is None:
            series = NodeSeries(self._run_id, node.name, self._started, STALE_AFTER_SECONDS)
            self._series[key] = series
        return NodePoller(
            node,
            series,
            interval_seconds=self._interval_seconds,
            timeout_seconds=self._timeout_seconds,
            deliver=lambda batch: self._deliver(key, batch),
            is_expected=lambda: self._is_expected(key),
            trouble_log=self._trouble_log,
        )

    def _is_expected(self, key: _NodeKey) -> bool:
        """Whether a node that has just failed to answer still should: one that is drained ends before we hear of it."""
        self._refresh_nodes()
        return key in self._pollers

    def _deliver(self, key: _NodeKey, batch: Batch) -> None:
        samples = [
            sample for sample in batch.containers if self._is_first_to_report(key, sample.container_id)
        ]
        if len(samples) < len(batch.containers):
            self._trouble_log(f"cAdvisor of {key.name}").failed(
                "it reports containers that another node reports too, which are left out; "
                "is one cAdvisor given under two addresses?"
            )
        if samples:
            self._tell("container samples", self._on_samples, samples)
        if batch.nodes:
            self._tell("node samples", self._on_node_samples, batch.nodes)

    def _is_first_to_report(self, key: _NodeKey, container_id: str) -> bool:
        owner = self._owners.setdefault(container_id, key)
        if owner != key and container_id not in self._series[owner].container_ids:
            self._owners[container_id] = owner = key
        return owner == key

    def _tell(
        self, what: str, listener: Callable[[Sequence[RecordT]], object], records: Sequence[RecordT]
    ) -> None:
        log = self._trouble_log(f"listener to {what}")
        try:
            listener(records)
        except Exception as error:  # noqa: BLE001  a listener's mistake must not end the sampling
            log.failed(_one_line(error))
        else:
            log.succeeded()

    def _trouble_log(self, source: str) -> TroubleLog:
        return self._logs.setdefault(source, TroubleLog(source, _log))


def static_nodes(urls: Sequence[str]) -> list[Node]:
    """Return a node for each cAdvisor URL, for sampling with no swarm at all; its name is `host:port`.

    The URLs must be valid (`sampling.cadvisor_urls`). Two on one host and port are told apart by their paths.
    """
    names = [host_and_port(url) for url in urls]
    return [
        Node(
            id=without_credentials(url),
            name=name if names.count(name) == 1 else without_credentials(url).partition("://")[2],
            address=name,
            state="unknown",
            cadvisor_url=url,
            cores=None,
        )
        for url, name in zip(urls, names, strict=True)
    ]


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
