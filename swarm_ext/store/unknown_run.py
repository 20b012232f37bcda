"""What a person reads who asked for a run that is not there, or for several at once. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swarm_ext.store import UnknownRunError

if TYPE_CHECKING:
    from collections.abc import Sequence

SHOWN_RUNS = 10


def unknown_run(
    run_id: str, uri: str, runs: Sequence[tuple[str, str, str]], *, several: bool
) -> UnknownRunError:
    """Return the error that lists `runs`, each its id, start (ISO 8601, UTC) and status, the latest first.

    `several`: `run_id` is the beginning of all of these; else they are simply those that there are.
    """
    shown = [f"{name} ({start[:19]}Z, {status})" for name, start, status in runs[:SHOWN_RUNS]]
    if len(runs) > len(shown):
        shown.append(f"and {len(runs) - len(shown)} more")
    listed = ", ".join(shown)
    if several:
        return UnknownRunError(
            f"{run_id!r} is the beginning of {len(runs)} runs in {uri}; write more of it: {listed}"
        )
    if not shown:
        return UnknownRunError(f"there is no run {run_id!r} in {uri}; it holds no runs yet")
    return UnknownRunError(f"there is no run {run_id!r} in {uri}; there are: {listed}")
