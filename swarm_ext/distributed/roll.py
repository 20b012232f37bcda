"""A run's roll: which workers take part, which of them are lost, and which came back. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable


class _Loss(NamedTuple):
    at: float
    line: str


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
        self._losses[worker] = _Loss(now, line)
        return line

    def find(self, worker: str, now: float) -> str:
        """Note that a lost worker came back; return the line that says so."""
        lost = self._losses.pop(worker).at
        return (
            f"worker {worker} was lost {lost - self._begun:.0f} s into the run and came back"
            f" {now - lost:.0f} s later: what it had done was counted then"
        )

    def losses(self) -> list[str]:
        """Return what was said of each worker that is lost, by their names."""
        return [loss.line for _, loss in sorted(self._losses.items())]
