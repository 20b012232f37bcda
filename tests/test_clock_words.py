"""The clocks of workers in words: those that are wrong by name, the others together."""

from __future__ import annotations

import doctest

from swarm_ext import clock_words as module
from swarm_ext.clock_words import clock_words


def test_the_examples_in_the_documentation_run() -> None:
    result = doctest.testmod(module)
    assert (result.attempted, result.failed) == (2, 0)


def test_of_many_wrong_clocks_the_worst_are_named() -> None:
    offsets = {f"w{number:02}": float(number) for number in range(20)}
    words = clock_words(offsets)
    assert words.startswith("w12 12.0 s ahead, w13")
    assert words.endswith("w19 19.0 s ahead, the rest within 11.0 s")
    assert clock_words({}) == ""
