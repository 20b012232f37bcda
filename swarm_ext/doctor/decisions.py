"""What the autoscaler decided last: the first place to look when nothing is scaled."""

from __future__ import annotations

from collections import deque
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from swarm_ext.doctor.finding import Finding, ok, warning
from swarm_ext.errors import UserError
from swarm_ext.model import ScalingDecision
from swarm_ext.store import open_store

if TYPE_CHECKING:
    from swarm_ext.model import Run

NEWEST_RUNS = 5
"""So many of the latest runs are looked through."""

SILENT_SECONDS = 120.0

_UNUSUAL = ("held", "failed", "not scaled", "disabled", "capped", "dry run", "adopted")


class LastDecision(NamedTuple):
    """A decision, and the run that it was made in."""

    run: Run
    decision: ScalingDecision


def last_decision(uri: str, service: str) -> LastDecision | None:
    """Return the newest decision about a service among the latest runs; None if there is none. Raise StoreError.

    The store is one that can be opened; one that is not there yet is not made.
    """
    try:
        opened = open_store(uri, must_exist=True)
    except UserError:
        return None
    with closing(opened) as store:
        for run in reversed(store.runs()[-NEWEST_RUNS:]):
            about = (each for each in store.read(run.id, ScalingDecision) if each.service == service)
            newest = deque(about, maxlen=1)
            if newest:
                return LastDecision(run, newest[0])
    return None


def judge_decision(service: str, last: LastDecision | None, now: datetime) -> Finding:
    """Judge the newest decision: whether it is recent where a run goes on, and whether it explains that nothing happens."""
    subject = f"last decision about {service}"
    if last is None:
        return ok(subject, "none in this store: no autoscaler has stored there, or not lately")
    run, decision = last
    seconds = (now - decision.timestamp.astimezone(UTC)).total_seconds()
    told = f"{_ago(seconds)}, run {run.id}: {decision.reason}"
    if run.exit_status == "running" and seconds > SILENT_SECONDS:
        return warning(
            subject,
            f"{told}; the run has not ended, and decides no more",
            "see whether its process is still there",
        )
    if decision.reason.startswith(_UNUSUAL):
        return warning(subject, told, "see what it says: the page on autoscaling explains each beginning")
    return ok(subject, told)


def _ago(seconds: float) -> str:
    if seconds < 120:
        return f"{max(0.0, seconds):.0f} s ago"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min ago"
    return f"{seconds / 3600:.0f} h ago"
