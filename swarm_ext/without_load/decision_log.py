"""Which decisions are worth a line in the log of an autoscaler that goes on for weeks."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from swarm_ext.model import ScalingDecision

_KIND = re.compile(r"[a-z -]*")

logger = logging.getLogger(__name__)


class DecisionLog:
    """Logs a decision when it is of another kind than the last one about its service; `every` one if asked to.

    A change of replicas is not logged here: the autoscaler does so itself.
    """

    def __init__(self, *, every: bool) -> None:
        self._every = every
        self._kinds: dict[str, str] = {}

    def add(self, decision: ScalingDecision) -> None:
        """Take a decision in."""
        kind = kind_of(decision.reason)
        changed = self._kinds.get(decision.service) != kind
        self._kinds[decision.service] = kind
        if decision.applied is None and (changed or self._every):
            logger.info("%s at %d: %s", decision.service, decision.before, decision.reason)


def kind_of(reason: str) -> str:
    """Return what a reason begins with, up to the first figure or colon: `held`, `no change`, `capped at`."""
    found = _KIND.match(reason)
    return "" if found is None else found[0].strip()
