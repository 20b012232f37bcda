"""How well the service was scaled: figures from what was stored. Pure: tables in, numbers out.

All times are seconds since the load began. The window is the load and the settling after it (scaling in is seen there),
without the warm-up. A count of replicas holds until the next sample says otherwise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    import pandas as pd

Direction = Literal["out", "in"]

STEP_SHARE = 0.2
"""A change of the asked rate by more than this share of the rate before it is a step of the load."""
STEP_JOIN_SECONDS = 2.0
"""Changes in one direction that are no further apart than this are one step (a ramp of users being spawned)."""
STOP_GRACE_SECONDS = 10.0
"""How long a stopped replica may still end its requests: Docker's default stop grace period."""


@dataclass(frozen=True)
class Window:
    """A stretch of the run, in seconds since the load began."""

    start: float
    end: float

    @property
    def seconds(self) -> float:
        """Its length."""
        return max(0.0, self.end - self.start)


@dataclass(frozen=True)
class ReplicaSeconds:
    """Integrals over the window: replicas asked for, running and ready, times seconds."""

    desired: float
    running: float
    ready: float


@dataclass(frozen=True)
class LoadStep:
    """A step of the load: from when on arrivals were asked for at `after` instead of `before` a second."""

    at: float
    before: float
    after: float

    @property
    def direction(self) -> Direction:
        """Which way the service has to be scaled for it."""
        return "out" if self.after > self.before else "in"


@dataclass(frozen=True)
class Act:
    """A decision that was applied: from `before` to `after` replicas, decided and applied at these seconds."""

    decided: float
    applied: float
    before: int
    after: int
    reason: str

    @property
    def direction(self) -> Direction:
        """Which way the service was scaled."""
        return "out" if self.after > self.before else "in"


@dataclass(frozen=True)
class StepResponse:
    """What answered a step of the load: seconds from the step to each thing, None where it did not happen.

    `decided`, `applied`, `running` and `ready` are of the first act in the step's direction, which may come at any time
    until the load steps the other way. `settled` is when the replicas of the last such act before the next step were ready
    (or gone); `before` and `after` are the counts around all of them.
    """

    step: LoadStep
    before: int | None
    after: int | None
    decided: float | None
    applied: float | None
    running: float | None
    ready: float | None
    settled: float | None


@dataclass(frozen=True)
class Provisioning:
    """Ready replicas against those that the load needed, after Herbst, Kounev, Reussner (ICAC 2013), section 3.

    `under_replicas` and `over_replicas` are the mean number of replicas missing or too many over the whole window
    (their accuracy), `under_share` and `over_share` the share of time in each state (their timeshare).
    """

    under_replicas: float
    over_replicas: float
    under_share: float
    over_share: float


def integral(times: npt.NDArray[np.float64], values: npt.NDArray[np.float64], window: Window) -> float:
    """Return ∫ value dt over the window, each value holding until the next; before the first there is nothing."""
    if not len(times):
        return 0.0
    edges = np.clip(np.append(times, max(window.end, times[-1])), window.start, window.end)
    return float(np.sum(np.diff(edges) * values))


def replica_seconds(service: pd.DataFrame, window: Window) -> ReplicaSeconds | None:
    """Return the integrals of a service's counts; None if it was never seen."""
    if service.empty:
        return None
    times = service["t"].to_numpy(float)
    desired, running, ready = (
        integral(times, service[name].to_numpy(float), window) for name in ("desired", "running", "ready")
    )
    return ReplicaSeconds(desired, running, ready)


def asked_rates(load: pd.DataFrame) -> pd.Series[float] | None:
    """Return the rate asked for in each second [1/s]; None for load that has none (closed-loop, or no load at all).

    Where a second does not tell, the rate is 0 if there was no user left, else what it was before.
    """
    rates = load["asked_rate"].astype(float)
    if rates.isna().all():
        return None
    return rates.where(rates.notna() | (load["users"] > 0), 0.0).ffill().fillna(0.0)


def load_steps(load: pd.DataFrame, window: Window) -> tuple[LoadStep, ...]:
    """Return the steps of the asked rate that begin in the window, the load's own beginning and end among them.

    The load's `asked_rate` is what the streams alive at a second's end asked for, so a step is known to the second.
    """
    asked = asked_rates(load)
    if asked is None:
        return ()
    times = load["t"].to_numpy(float)
    level, steps, changed_at = 0.0, list[LoadStep](), -math.inf
    for at, rate in zip(times.tolist(), asked.tolist(), strict=True):
        last = steps[-1] if steps else None
        joins = (
            last is not None
            and at - changed_at <= STEP_JOIN_SECONDS
            and rate != level
            and (rate > level) == (last.after > last.before)
        )
        if not joins and abs(rate - level) <= STEP_SHARE * level:
            continue
        if last is not None and joins:
            steps[-1] = LoadStep(last.at, last.before, rate)
        else:
            steps.append(LoadStep(at, level, rate))
        level, changed_at = rate, at
    ended = float(times[-1]) + 1
    if level > 0 and ended < window.end - 1:
        steps.append(LoadStep(ended, level, 0.0))
    return tuple(step for step in steps if window.start - 1 < step.at <= window.end)


def acts(decisions: pd.DataFrame, window: Window) -> tuple[Act, ...]:
    """Return the decisions in the window that changed the number of replicas."""
    columns = ["t", "applied_t", "before", "applied", "reason"]
    changed = decisions[decisions["applied"].notna() & (decisions["applied"] != decisions["before"])]
    return tuple(
        Act(decided, decided if math.isnan(applied_t) else applied_t, int(before), int(applied), str(reason))
        for decided, applied_t, before, applied, reason in changed[columns].itertuples(index=False)
        if window.start <= decided <= window.end
    )


def step_responses(
    steps: Sequence[LoadStep], done: Sequence[Act], service: pd.DataFrame, window: Window
) -> tuple[StepResponse, ...]:
    """Return what answered each step; see StepResponse."""
    return tuple(_response(step, steps[i + 1 :], done, service, window) for i, step in enumerate(steps))


def _response(
    step: LoadStep, later: Sequence[LoadStep], done: Sequence[Act], service: pd.DataFrame, window: Window
) -> StepResponse:
    until = next((other.at for other in later if other.direction != step.direction), window.end)
    answers = [act for act in done if step.at <= act.decided < until and act.direction == step.direction]
    if not answers:
        return StepResponse(step, None, None, None, None, None, None, None)
    next_step = min((other.at for other in later), default=window.end)
    first, last = answers[0], ([act for act in answers if act.decided < next_step] or answers)[-1]

    def since(moment: float | None) -> float | None:
        return None if moment is None else moment - step.at

    return StepResponse(
        step=step,
        before=first.before,
        after=last.after,
        decided=since(first.decided),
        applied=since(first.applied),
        running=since(reached(service, "running", first, _superseded(first, done, window))),
        ready=since(reached(service, "ready", first, _superseded(first, done, window))),
        settled=since(reached(service, "ready", last, _superseded(last, done, window))),
    )


def _superseded(act: Act, done: Sequence[Act], window: Window) -> float:
    return next(
        (o.applied for o in done if o.decided > act.decided and o.direction != act.direction), window.end
    )


def reached(
    service: pd.DataFrame, count: Literal["running", "ready"], act: Act, until: float
) -> float | None:
    """Return when, after an act and before `until`, a count first was what the act asked for or beyond; None: never."""
    after = service[(service["t"] >= act.applied) & (service["t"] <= until)]
    there = after[after[count] >= act.after] if act.direction == "out" else after[after[count] <= act.after]
    return None if there.empty else float(there["t"].iloc[0])


def reversals(directions: Sequence[Direction]) -> int:
    """Return how often the direction changed from one to the next."""
    return sum(a != b for a, b in pairwise(directions))


def failures_while_scaling_in(
    load: pd.DataFrame, done: Sequence[Act], service: pd.DataFrame, window: Window
) -> tuple[int, float]:
    """Return the requests that failed while replicas were being stopped, and for how many seconds that was.

    It lasts from each scaling in until no more replicas run than asked for, and a stop grace period longer.
    """
    spans = []
    for act in done:
        if act.direction == "in":
            gone = reached(service, "running", act, _superseded(act, done, window))
            spans.append((act.applied, (act.applied if gone is None else gone) + STOP_GRACE_SECONDS))
    begins = load["t"].to_numpy(float)
    inside = np.zeros(len(begins), dtype=bool)
    for start, end in spans:
        inside |= (begins + 1 > start) & (begins < end)
    return int(load["failed"].to_numpy()[inside].sum()), float(inside.sum())


def provisioning(
    load: pd.DataFrame, service: pd.DataFrame, window: Window, rate_a_replica: float
) -> Provisioning | None:
    """Compare ready replicas with those needed: asked rate / `rate_a_replica` [1/s], rounded up, at least one.

    A tenth more a replica is allowed before another is needed: the tolerance within which the scaler does not act.
    None if the load has no rate, or the service was never seen.
    """
    asked = asked_rates(load)
    if asked is None or service.empty or window.seconds <= 0:
        return None
    grid = np.arange(window.start, window.end, 1.0)
    needed = np.maximum(1.0, np.ceil(_held(load["t"], asked, grid, last=1.0) / (1.1 * rate_a_replica)))
    short = needed - _held(service["t"], service["ready"], grid)
    return Provisioning(
        under_replicas=float(np.maximum(short, 0).mean()),
        over_replicas=float(np.maximum(-short, 0).mean()),
        under_share=float((short > 0).mean()),
        over_share=float((short < 0).mean()),
    )


def _held(
    times: pd.Series[float],
    values: pd.Series[float],
    grid: npt.NDArray[np.float64],
    *,
    last: float = math.inf,
) -> npt.NDArray[np.float64]:
    """Return the value that holds at each instant of the grid: 0 before the first, and `last` seconds after the last."""
    known, held = times.to_numpy(float), values.to_numpy(float)
    index = np.searchsorted(known, grid, side="right") - 1
    valid = (index >= 0) & (grid < known[-1] + last)
    return np.where(valid, held[np.clip(index, 0, None)], 0.0)
