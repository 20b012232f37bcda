"""Who did the work: CPU, memory and requests of each replica and each node. Pure.

CPU used is the difference of a container's own counter over the window, so it is exact whatever the sampling; it, and
what its limit allowed in the same time, are counted from a container's first to its last sample in the window.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt
    import pandas as pd

    from reports.elasticity import Window


@dataclass(frozen=True)
class ReplicaShare:
    """One container in the window. `requests` is None where no response named its replica; CPU in cores and core-seconds."""

    container: str
    label: str
    node: str
    seen_seconds: float
    used_core_seconds: float
    allocated_core_seconds: float | None
    max_cores: float | None
    limit_cores: float | None
    max_memory_mb: float | None
    memory_limit_mb: float | None
    requests: int | None
    request_share: float | None

    @property
    def mean_cores(self) -> float | None:
        """Mean CPU usage while it was seen."""
        return self.used_core_seconds / self.seen_seconds if self.seen_seconds > 0 else None


@dataclass(frozen=True)
class NodeShare:
    """One node in the window: its replicas' CPU and requests, and the whole machine's CPU."""

    node: str
    containers: int
    used_core_seconds: float
    requests: int | None
    request_share: float | None
    cores: float | None
    mean_cores: float | None
    max_cores: float | None


@dataclass(frozen=True)
class CoreSeconds:
    """CPU time used against allocated (limit × time seen), of the containers that have a limit; `unlimited` have none."""

    used: float
    allocated: float
    unlimited: int

    @property
    def share(self) -> float | None:
        """Used of allocated."""
        return self.used / self.allocated if self.allocated > 0 else None


def replica_shares(
    containers: pd.DataFrame, inventory: pd.DataFrame, requests: Mapping[str, int], window: Window
) -> tuple[ReplicaShare, ...]:
    """Return each container that was seen in the window, in order of appearance.

    `requests` counts requests by what the responses named: a beginning of the container's id.
    """
    total = sum(requests.values())
    by_container = dict(iter(containers.groupby("container", sort=False)))
    shares = []
    for container, label, node in zip(
        inventory["container"], inventory["label"], inventory["node"], strict=True
    ):
        series = by_container[container]
        inside = series[(series["t"] >= window.start) & (series["t"] <= window.end)]
        if inside.empty:
            continue
        served = sum(n for named, n in requests.items() if named and container.startswith(named))
        limit = _last(inside["limit_cores"])
        used, seen = cpu_used(series, window)
        shares.append(
            ReplicaShare(
                container=container,
                label=label,
                node=node,
                seen_seconds=seen,
                used_core_seconds=used,
                allocated_core_seconds=None if limit is None else limit * seen,
                max_cores=_highest(inside["cores"]),
                limit_cores=limit,
                max_memory_mb=_highest(inside["memory_mb"]),
                memory_limit_mb=_last(inside["memory_limit_mb"]),
                requests=served if total else None,
                request_share=served / total if total else None,
            )
        )
    return tuple(shares)


def cpu_used(series: pd.DataFrame, window: Window) -> tuple[float, float]:
    """Return a container's (CPU seconds used, seconds seen) in the window, from its cumulative counter.

    A counter that goes backwards began anew (the container was restarted in place): what it then shows is added on.
    """
    known = series[series["cpu_seconds"].notna()]
    if known.empty:
        return 0.0, 0.0
    times, counter = known["t"].to_numpy(float), _monotone(known["cpu_seconds"].to_numpy(float))
    edges = np.clip([window.start, window.end], times[0], times[-1])
    first, last = np.interp(edges, times, counter)
    return float(last - first), float(edges[1] - edges[0])


def _monotone(counter: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    steps = np.diff(counter, prepend=counter[0])
    return np.cumsum(np.where(steps < 0, counter, steps))


def node_shares(
    replicas: Sequence[ReplicaShare], nodes: pd.DataFrame, window: Window
) -> tuple[NodeShare, ...]:
    """Return each node that was measured or had a container, by name."""
    inside = nodes[(nodes["t"] >= window.start) & (nodes["t"] <= window.end)]
    names = sorted({*inside["node"], *(replica.node for replica in replicas)})
    total = sum(replica.requests or 0 for replica in replicas)
    shares = []
    for name in names:
        machine = inside[inside["node"] == name]
        here = [replica for replica in replicas if replica.node == name]
        requests = sum(replica.requests or 0 for replica in here)
        cpu = machine["cpu_cores"].dropna()
        shares.append(
            NodeShare(
                node=name,
                containers=len(here),
                used_core_seconds=sum(replica.used_core_seconds for replica in here),
                requests=requests if total else None,
                request_share=requests / total if total else None,
                cores=_last(machine["cores"]),
                mean_cores=None if cpu.empty else float(cpu.mean()),
                max_cores=_highest(cpu),
            )
        )
    return tuple(shares)


def core_seconds(replicas: Sequence[ReplicaShare]) -> CoreSeconds | None:
    """Return CPU used against allocated over all replicas; None if no container was measured."""
    if not replicas:
        return None
    limited = [replica for replica in replicas if replica.allocated_core_seconds is not None]
    return CoreSeconds(
        used=sum(replica.used_core_seconds for replica in limited or replicas),
        allocated=sum(replica.allocated_core_seconds or 0.0 for replica in limited),
        unlimited=len(replicas) - len(limited),
    )


def _highest(values: pd.Series[float]) -> float | None:
    known = values.dropna()
    return None if known.empty else float(known.max())


def _last(values: pd.Series[float]) -> float | None:
    known = values.dropna()
    return None if known.empty else float(known.iloc[-1])
