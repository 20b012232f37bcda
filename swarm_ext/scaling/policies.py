"""How many replicas a service needs: pure functions of an Observation and the service's state."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from swarm_ext.errors import UserError
from swarm_ext.scaling.cpu import base_cores, not_usable, of_unknown_demand, usage_cores
from swarm_ext.scaling.leaning import Band, lean
from swarm_ext.scaling.words import at_least, caution, figure, insufficient, percent, position

if TYPE_CHECKING:
    from swarm_ext.model import ServiceState
    from swarm_ext.scaling.observation import Observation


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """What a policy asks for, before bounds and stabilization. `replicas` is None when it cannot tell.

    `why` is the clause that explains it; `value` and `target` are in the unit of the policy's metric.
    """

    replicas: int | None
    why: str
    value: float | None = None
    target: float | None = None


class Policy(Protocol):
    """A rule that turns what was observed into a number of replicas."""

    @property
    def metric(self) -> str:
        """What it measures, in words."""
        ...

    def check(self, service: ServiceState) -> None:
        """Raise UserError, before any load, if this policy can never work on that service."""
        ...

    def recommend(self, seen: Observation, service: ServiceState) -> Recommendation:
        """Return the replicas that `service` (at least one is desired) should have. No I/O, no state."""
        ...


@dataclass(frozen=True, slots=True)
class TargetUtilisation:
    """Keep the mean CPU at a target: ⌈Σ usage / target⌉ replicas, unless the mean is within `tolerance` of it.

        TargetUtilisation(target=0.6)

    Metric `cpu utilisation`: mean usage over the window as a share (0.6 is 60 %) of the service's CPU limit, or of its
    reservation where it has no limit. With `target_cores`, what one replica should use, whatever its limit, the metric
    is `cpu usage per replica` [cores].

    The default of 60 % leaves each replica room for 1.67 times its load: what it may get until the next one has started,
    and the most that one step can add when all replicas are at their limits. At 60 % a queue with random arrivals waits
    1.5 service times on average (M/M/1), at 80 % already 4.
    """

    target: float = 0.6
    target_cores: float | None = None
    tolerance: float = 0.1

    def __post_init__(self) -> None:
        _check_positive("target", self.target, "0.6 for 60 %")
        if self.target_cores is not None:
            _check_positive("target_cores", self.target_cores, "0.15 for 15 % of a core")
        _check_tolerance(self.tolerance)

    @property
    def metric(self) -> str:
        """See the class."""
        return "cpu utilisation" if self.target_cores is None else "cpu usage per replica"

    def check(self, service: ServiceState) -> None:
        """Refuse a service without a limit (and without `target_cores`), and a target that it could never exceed."""
        cores = self._cores_at_target(service)
        if cores is None:
            raise UserError(
                _without_limit(service) + ", or say with --target-cores what a replica should use"
            )
        limit = service.cpu_limit_cores
        if limit and cores * (1 + self.tolerance) >= limit:
            raise UserError(
                f"a target of {cores:g} cores with its tolerance of {percent(self.tolerance)} reaches the CPU limit of "
                f"service {service.name!r}, {limit:g} cores, so it would never scale out: choose a target of at most "
                f"{percent(math.floor(95 / (1 + self.tolerance)) / 100)} of the limit"
            )

    def recommend(self, seen: Observation, service: ServiceState) -> Recommendation:
        """Return the replicas at which each would use its target."""
        at_target = self._cores_at_target(service)
        target = self.target if self.target_cores is None else self.target_cores
        unusable = _NO_BASE if at_target is None else not_usable(seen)
        if at_target is None or unusable:
            return Recommendation(replicas=None, why=unusable or "", target=target)
        loads = [cores / at_target for cores in usage_cores(seen, service)]
        leaning = lean(loads, unknown=seen.unknown, band=Band.around_one(self.tolerance))
        value = sum(loads) / len(loads) * target
        goal = f"the target {self._show(target)}"
        shown = at_least(self._show(value), of_unknown_demand(seen, service), len(loads))
        where = position(leaning, goal, f"within {percent(self.tolerance)} of {goal}")
        replicas = leaning.proportional(service.desired)
        still = insufficient(leaning, replicas, service.desired)
        return Recommendation(
            replicas=replicas,
            why=f"{self.metric} {shown} is {where}{caution(leaning, seen)}{still}",
            value=value,
            target=target,
        )

    def _cores_at_target(self, service: ServiceState) -> float | None:
        if self.target_cores is not None:
            return self.target_cores
        base = base_cores(service)
        return None if base is None else self.target * base

    def _show(self, value: float) -> str:
        return percent(value) if self.target_cores is None else f"{figure(value)} cores"


@dataclass(frozen=True, slots=True)
class Threshold:
    """The classic pair: above `up` add `step` replicas, below `down` take `step` away, in between leave it.

        Threshold(up=0.8, down=0.3, step=1)

    Metric `cpu utilisation`, as TargetUtilisation has it; the recommendation's `target` is the threshold that was passed,
    and `up` where none was. Scaling in, a replica of which nothing is known counts as busy as `up`.
    """

    up: float = 0.8
    down: float = 0.3
    step: int = 1

    def __post_init__(self) -> None:
        _check_positive("up", self.up, "0.8 for 80 %")
        _check_positive("down", self.down, "0.3 for 30 %")
        if self.down >= self.up:
            raise UserError(
                f"down is {self.down:g}, not below up, {self.up:g}: lower the one or raise the other"
            )
        if self.step < 1:
            raise UserError(f"step is {self.step}; it must be at least 1 replica")

    @property
    def metric(self) -> str:
        """See the class."""
        return "cpu utilisation"

    def check(self, service: ServiceState) -> None:
        """Refuse a service without a CPU limit or reservation, and an `up` that it could never exceed."""
        if base_cores(service) is None:
            raise UserError(_without_limit(service))
        if service.cpu_limit_cores and self.up >= 1:
            raise UserError(
                f"up is {self.up:g}, but the CPU limit of service {service.name!r} holds its utilisation at 1, "
                "so it would never scale out: choose less than 1, for example 0.8"
            )

    def recommend(self, seen: Observation, service: ServiceState) -> Recommendation:
        """Return the replicas one step away, or those that there are."""
        base = base_cores(service)
        unusable = _NO_BASE if base is None else not_usable(seen)
        if base is None or unusable:
            return Recommendation(replicas=None, why=unusable or "", target=self.up)
        loads = [cores / base for cores in usage_cores(seen, service)]
        leaning = lean(loads, unknown=seen.unknown, band=Band(self.down, self.up, neutral=self.up))
        value = sum(loads) / len(loads)
        passed = self.down if leaning.measured < 0 else self.up
        shown = at_least(percent(value), of_unknown_demand(seen, service), len(loads))
        between = f"between the thresholds {percent(self.down)} and {percent(self.up)}"
        where = position(leaning, f"the threshold {percent(passed)}", between)
        replicas = max(1, service.desired + leaning.direction * self.step)
        still = insufficient(leaning, replicas, service.desired)
        return Recommendation(
            replicas=replicas,
            why=f"{self.metric} {shown} is {where}{caution(leaning, seen)}{still}",
            value=value,
            target=passed,
        )


@dataclass(frozen=True, slots=True)
class TargetRate:
    """Keep the arrivals per second and replica at `per_replica`: ⌈λ / per_replica⌉ replicas, outside its tolerance.

        TargetRate(per_replica=20)

    Metric `arrival rate per replica` [1/s]: λ over the desired replicas, since those that are starting will serve too.
    λ is the rate that the streams alive were asked for, and where they do not know it the one offered over the window.
    """

    per_replica: float
    tolerance: float = 0.1

    def __post_init__(self) -> None:
        _check_positive("per_replica", self.per_replica, "20 for 20 arrivals a second")
        _check_tolerance(self.tolerance)

    @property
    def metric(self) -> str:
        """See the class."""
        return "arrival rate per replica"

    def check(self, service: ServiceState) -> None:
        """Accept any service: nothing of it is measured."""

    def recommend(self, seen: Observation, service: ServiceState) -> Recommendation:
        """Return the replicas at which each would get its rate."""
        if seen.arrivals is None or seen.arrivals_are_stale:
            why = "load samples are stale" if seen.arrivals_are_stale else "no load samples yet"
            return Recommendation(replicas=None, why=why, target=self.per_replica)
        rate = seen.arrivals.per_second
        value = rate / service.desired
        loads = [value / self.per_replica] * service.desired
        leaning = lean(loads, unknown=0, band=Band.around_one(self.tolerance))
        goal = f"the target {figure(self.per_replica)}/s"
        where = position(leaning, goal, f"within {percent(self.tolerance)} of {goal}")
        replicas = leaning.proportional(service.desired)
        still = insufficient(leaning, replicas, service.desired)
        return Recommendation(
            replicas=replicas,
            why=f"{self.metric} {figure(value)}/s ({figure(rate)}/s {seen.arrivals.source}) is {where}{still}",
            value=value,
            target=self.per_replica,
        )


_NO_BASE = "the service has neither a CPU limit nor a reservation to compare its usage with"


def _without_limit(service: ServiceState) -> str:
    return (
        f"service {service.name!r} has neither a CPU limit nor a reservation, so it has no utilisation: "
        "give it one under deploy.resources"
    )


def _check_positive(name: str, number: float, example: str) -> None:
    if not (math.isfinite(number) and number > 0):
        raise UserError(f"{name} is {number!r}; it must be a number above 0, for example {example}")


def _check_tolerance(tolerance: float) -> None:
    if not 0 <= tolerance < 1:
        raise UserError(
            f"tolerance is {tolerance!r}; it must be at least 0 and below 1, for example 0.1 for 10 %"
        )
