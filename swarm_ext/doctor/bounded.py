"""Things that may hang, done side by side, each for as long as it may take and no longer."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

ResultT = TypeVar("ResultT")


class OverdueError(Exception):
    """It has not ended in its time. The text says how long that was."""


class Bounded(Generic[ResultT]):
    """Begins `act` at once, in a thread that does not keep the process alive."""

    def __init__(self, act: Callable[[], ResultT], seconds: float) -> None:
        self._act = act
        self._seconds = seconds
        self._deadline = time.monotonic() + seconds
        self._result: list[ResultT] = []
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def result(self) -> ResultT:
        """Wait for the end and return what came of it; raise what it raised, or OverdueError."""
        self._thread.join(max(0.0, self._deadline - time.monotonic()))
        if self._error is not None:
            raise self._error
        if not self._result:
            raise OverdueError(f"no answer within {self._seconds:g} s")
        return self._result[0]

    def _run(self) -> None:
        try:
            self._result.append(self._act())
        except Exception as error:  # noqa: BLE001 - it is raised again, where it is asked for
            self._error = error
