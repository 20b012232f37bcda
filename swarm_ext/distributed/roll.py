"""A run's roll: which workers take part, which of them are lost, and which came back. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from swarm_ext.quota import LAPSE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable

DOUBT_SECONDS = LAPSE_SECONDS + 1.0
"""How long after a lost worker was heard last it is given up: what it was dealt has lapsed by then, by its own clock, too."""


class _Loss(NamedTuple):
    at: float
    heard: float
    line: str
    made_up_for: bool = False


class Roll:
    """One run's roll. `begun`, when the run began, and every `now` are monotonic seconds."""

    def __init__(self, begun: float, workers: Iterable[str] = ()) -> None:
        self._begun = begun
        self._members = set(workers)
        self._losses: dict[str, _Loss] = {}

    def enter(self, workers: Iterable[str]) -> None:
        """Note that these workers take part."""
        self._members |= set(workers)

    def missing(self, present: Iterable[str]) -> set[str]:
        """Return the workers that take part, lost or not, and are not among those present."""
        return self._members - set(present)

    @property
    def lost(self) -> set[str]:
        """The workers that are lost and have not come back."""
        return set(self._losses)

    def lose(self, worker: str, now: float, consequence: str) -> str:
        """Note that a worker is lost, and what comes of that; return the line that says so."""
        line = f"worker {worker} was lost {now - self._begun:.0f} s into the run: {consequence}"
        self._losses[worker] = _Loss(now, now, line)
        return line

    def hear(self, worker: str, now: float) -> None:
        """Note that a worker was heard: one that is lost is given up later, if it does not come back."""
        if worker in self._losses:
            self._losses[worker] = self._losses[worker]._replace(heard=now)

    def given_up(self, now: float) -> set[str]:
        """Return the workers that are lost for so long that what they had goes to others."""
        return {worker for worker, loss in self._losses.items() if now - loss.heard > DOUBT_SECONDS}

    def make_up_for(self, worker: str) -> None:
        """Note that others make what is uncertain of a lost worker's arrivals."""
        self._losses[worker] = self._losses[worker]._replace(made_up_for=True)

    def find(self, worker: str, now: float) -> str:
        """Note that a lost worker came back; return the line that says so."""
        lost = self._losses.pop(worker).at
        return (
            f"worker {worker} was lost {lost - self._begun:.0f} s into the run and came back"
            f" {now - lost:.0f} s later: what it had done was counted then"
        )

    def losses(self) -> list[str]:
        """Return what was said of each worker that is lost, and what was done about it, by their names."""
        return [
            f"{loss.line}, and made again" if loss.made_up_for else loss.line
            for _, loss in sorted(self._losses.items())
        ]
