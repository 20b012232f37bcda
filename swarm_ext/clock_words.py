"""How far the workers' clocks are from the master's, in words. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

NOTABLE_SECONDS = 0.1
"""A clock that differs by more is named."""

_MOST_NAMED = 8


def clock_words(offsets: Mapping[str, float]) -> str:
    """Return how far each clock is ahead of the master's, from the seconds that it is; nothing for no clocks.

    >>> clock_words({"a": 5.02, "b": -10.0, "c": 0.0004})
    'a 5.0 s ahead, b 10.0 s behind, the rest within 0.4 ms'
    >>> clock_words({"a": 0.0004, "b": -0.0021})
    'all within 2.1 ms'
    """
    if not offsets:
        return ""
    worst = sorted(offsets, key=lambda worker: (-abs(offsets[worker]), worker))
    named = [worker for worker in worst if abs(offsets[worker]) > NOTABLE_SECONDS][:_MOST_NAMED]
    words = [f"{w} {abs(offsets[w]):.1f} s {'ahead' if offsets[w] > 0 else 'behind'}" for w in sorted(named)]
    rest = [abs(offset) for worker, offset in offsets.items() if worker not in named]
    if rest:
        words.append(f"{'the rest' if named else 'all'} within {_within(max(rest))}")
    return ", ".join(words)


def _within(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= NOTABLE_SECONDS else f"{max(seconds * 1000, 0.1):.1f} ms"
