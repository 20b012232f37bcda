"""Every figure of a run, put together from its tables. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from reports import elasticity, load_figures, shares
from reports.elasticity import Window
from reports.replay_figures import ReplayFigures, replay_figures
from reports.resample import GAP_SECONDS
from swarm_ext.arrivals.check import kolmogorov_smirnov, rate_test

if TYPE_CHECKING:
    import pandas as pd

    from reports.frames import RunFrames
    from swarm_ext.arrivals.check import KsResult
    from swarm_ext.model import Run
    from swarm_ext.slo import Slo

FALSE_ALARM = 0.005
"""The share of faultless runs that each of the two tests of the arrivals rejects: together at most one in a hundred."""
FALSE_ALARM_SCORE = 2.807
"""The standard normal score that is exceeded, either way, with that probability."""


@dataclass(frozen=True)
class Arrivals:
    """Whether the arrivals were as asked: `observed` against `expected` with its score, and the test of the gaps."""

    observed: int
    expected: float | None
    score: float | None
    gaps: KsResult | None

    @property
    def applicable(self) -> bool:
        """Whether there is a law to test against."""
        return self.score is not None or self.gaps is not None

    @property
    def rate_accepted(self) -> bool:
        """Whether the number of arrivals is within what chance allows."""
        return self.score is None or abs(self.score) <= FALSE_ALARM_SCORE

    @property
    def gaps_accepted(self) -> bool:
        """Whether the gaps' distribution is within what chance allows."""
        return self.gaps is None or self.gaps.p_value >= FALSE_ALARM


@dataclass(frozen=True)
class Figures:
    """What a run came to. `window` is what the elasticity figures are of: load and settling, without the warm-up."""

    window: Window
    warm_up_seconds: float
    without_load: bool
    """Whether nobody was asked for any load: the run of a sampler, or of an autoscaler without Locust."""
    accounting: load_figures.Accounting
    response: load_figures.Durations
    lag: load_figures.Durations
    slo: load_figures.SloFigures | None
    rate: load_figures.OfferedRate
    arrivals: Arrivals | None
    replay: ReplayFigures | None
    service: str | None
    path: tuple[int, ...]
    acts: tuple[elasticity.Act, ...]
    evaluations: int
    replica_seconds: elasticity.ReplicaSeconds | None
    core_seconds: shares.CoreSeconds | None
    steps: tuple[elasticity.StepResponse, ...]
    reversals: int
    load_reversals: int
    failures_scaling_in: tuple[int, float]
    provisioning: elasticity.Provisioning | None
    rate_a_replica: float | None
    replicas: tuple[shares.ReplicaShare, ...]
    nodes: tuple[shares.NodeShare, ...]
    sampling_gaps: int

    @property
    def late(self) -> bool:
        """Whether the generator could not keep its schedule, so that the figures are not valid."""
        return self.lag.p99 is not None and self.lag.p99 > load_figures.LATE_SECONDS


def figures(frames: RunFrames, slo: Slo | None) -> Figures:
    """Compute every figure of a run, by the objective `slo` if there is one."""
    run, load = frames.run, frames.load
    window = elasticity_window(frames)
    part = load_figures.figures_part(load)
    service = _service(frames)
    states = frames.services[frames.services["service"] == service]
    decisions = frames.decisions[frames.decisions["service"] == service]
    done = elasticity.acts(decisions, window)
    steps = elasticity.load_steps(load, window)
    requests: Counter[str] = Counter()
    for named in part["replica_requests"]:
        requests.update(named)
    replicas = shares.replica_shares(frames.containers, service_containers(frames), requests, window)
    used = shares.core_seconds(replicas)
    answered = int(part["completed"].sum() + part["failed"].sum())
    rate = rate_a_replica(decisions, replicas, used.used / answered if used and answered else None)
    return Figures(
        window=window,
        warm_up_seconds=sum(span.seconds for span in frames.spans if span.name == "warm-up"),
        without_load=is_without_load(frames),
        accounting=load_figures.accounting(run.totals, load),
        response=load_figures.durations(part["response_times"]),
        lag=load_figures.lag(part, load_figures.longest_lag(load, run.totals)),
        slo=load_figures.slo_figures(load, slo) if slo else None,
        rate=load_figures.offered_rate(load),
        arrivals=arrivals(run),
        replay=replay_figures(run),
        service=service,
        path=_turning_points(_counts(states, done, window)),
        acts=done,
        evaluations=len(decisions),
        replica_seconds=elasticity.replica_seconds(states, window),
        core_seconds=used,
        steps=elasticity.step_responses(steps, done, states, window),
        reversals=elasticity.reversals([act.direction for act in done]),
        load_reversals=elasticity.reversals([step.direction for step in steps]),
        failures_scaling_in=elasticity.failures_while_scaling_in(load, done, states, window),
        provisioning=elasticity.provisioning(load, states, window, rate) if rate else None,
        rate_a_replica=rate,
        replicas=replicas,
        nodes=shares.node_shares(replicas, frames.nodes, window),
        sampling_gaps=int((frames.containers.groupby("container")["t"].diff() > GAP_SECONDS).sum()),
    )


def elasticity_window(frames: RunFrames) -> Window:
    """Return load and settling; an empty window at the end of a run that never got beyond its warm-up.

    Of a run without load it is the whole run.
    """
    if is_without_load(frames):
        return Window(0.0, frames.end)
    spans = [span for span in frames.spans if span.name != "warm-up"]
    if not spans:
        return Window(frames.end, frames.end)
    return Window(min(span.start for span in spans), max(span.end for span in spans))


def is_without_load(frames: RunFrames) -> bool:
    """Return whether a run was made by a command that makes no load, such as `swarm-ext sample`."""
    return frames.load.empty and "command" in frames.run.options


def service_containers(frames: RunFrames) -> pd.DataFrame:
    """Return the inventory of the service under load; of every container where none is known to be its."""
    own = frames.inventory[frames.inventory["service"] == _service(frames)]
    return frames.inventory if own.empty else own


def _service(frames: RunFrames) -> str | None:
    seen = frames.services["service"]
    if seen.empty or frames.run.service in set(seen):
        return frames.run.service
    return str(seen.iloc[0])


def arrivals(run: Run) -> Arrivals | None:
    """Return the check of the run's arrivals; None where the run has none, or replays what was recorded."""
    check = run.arrival_check
    if check is None or (run.arrival_process is not None and run.arrival_process.recorded is not None):
        return None
    return Arrivals(check.observed, check.expected, rate_test(check), kolmogorov_smirnov(check))


def rate_a_replica(
    decisions: pd.DataFrame, replicas: tuple[shares.ReplicaShare, ...], core_seconds_a_request: float | None
) -> float | None:
    """Return the arrivals a second [1/s] that one replica takes at the scaler's target; None where there is no target.

    A target of utilisation or of cores is turned into one of arrivals by the CPU time that a request took on average over the
    run: unlike a measured utilisation, which stops at the limit, arrivals tell demand beyond what was provided.
    """
    with_target = decisions[decisions["target"].notna()]
    if with_target.empty:
        return None
    metric, target = str(with_target["metric"].iloc[-1]), float(with_target["target"].iloc[-1])
    if metric == "arrival rate per replica":
        return target
    if not core_seconds_a_request:
        return None
    if metric == "cpu usage per replica":
        return target / core_seconds_a_request
    limits = {replica.limit_cores for replica in replicas}
    limit = limits.pop() if len(limits) == 1 else None
    return target * limit / core_seconds_a_request if metric == "cpu utilisation" and limit else None


def _counts(service: pd.DataFrame, done: tuple[elasticity.Act, ...], window: Window) -> list[int]:
    inside = service[(service["t"] >= window.start) & (service["t"] <= window.end)]
    if not inside.empty:
        return [int(n) for n in inside["desired"]]
    return [done[0].before, *(act.after for act in done)] if done else []


def _turning_points(counts: list[int]) -> tuple[int, ...]:
    """Return where a series begins, turns and ends: 1, 1, 2, 4, 4, 3, 1 gives 1, 4, 1."""
    moves = counts[:1] + [b for a, b in pairwise(counts) if b != a]
    inner = [b for a, b, c in zip(moves, moves[1:], moves[2:], strict=False) if (a < b) != (b < c)]
    return (*moves[:1], *inner, *(moves[-1:] if len(moves) > 1 else ()))
