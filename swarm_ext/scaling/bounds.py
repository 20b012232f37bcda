"""How many replicas the autoscaler may ask for, from options, service labels and defaults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from swarm_ext.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping

MINIMUM_LABEL = "swarm.autoscaler.minimum"
MAXIMUM_LABEL = "swarm.autoscaler.maximum"


@dataclass(frozen=True, slots=True)
class Bounds:
    """The fewest and the most replicas; both count as allowed. Raises UserError unless 1 ≤ minimum ≤ maximum."""

    minimum: int
    maximum: int

    def __post_init__(self) -> None:
        _check_order(_Choice(self.minimum, "minimum"), _Choice(self.maximum, "maximum"))

    def clamp(self, replicas: int) -> int:
        """Return the allowed count nearest to `replicas`."""
        return max(self.minimum, min(replicas, self.maximum))


def bounds_from(
    options_min: int | None, options_max: int | None, labels: Mapping[str, str], defaults: Bounds
) -> Bounds:
    """Return the bounds that hold: an option wins over the service's label, the label over the default.

    Raises UserError if a label that counts is no whole number, or if the bounds contradict each other.
    """
    minimum = _choose("--min-replicas", options_min, MINIMUM_LABEL, labels, defaults.minimum)
    maximum = _choose("--max-replicas", options_max, MAXIMUM_LABEL, labels, defaults.maximum)
    _check_order(minimum, maximum)
    return Bounds(minimum.replicas, maximum.replicas)


@dataclass(frozen=True, slots=True)
class _Choice:
    """A count, and the name of where it came from."""

    replicas: int
    source: str


def _choose(option: str, given: int | None, label: str, labels: Mapping[str, str], default: int) -> _Choice:
    if given is not None:
        return _Choice(given, option)
    if label not in labels:
        return _Choice(default, f"the default of {option}")
    text = labels[label].strip()
    if not (text.isascii() and text.isdigit()):
        raise UserError(
            f"service label {label} is {labels[label]!r}; it must be a whole number from 1: "
            f"correct it under deploy.labels, or override it with {option}"
        )
    return _Choice(int(text), f"service label {label}")


def _check_order(minimum: _Choice, maximum: _Choice) -> None:
    if minimum.replicas < 1:
        raise UserError(
            f"{minimum.source} is {minimum.replicas}; it must be at least 1: "
            "a service with 0 replicas is one whose scaling is switched off"
        )
    if maximum.replicas < minimum.replicas:
        raise UserError(
            f"{maximum.source} is {maximum.replicas}, below {minimum.source}, which is {minimum.replicas}: "
            "raise the one or lower the other"
        )
