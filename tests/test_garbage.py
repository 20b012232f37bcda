"""What the garbage collector has to look at while load is generated."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest

from swarm_ext import garbage

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


def test_what_lives_is_set_aside_and_collections_are_rarer() -> None:
    gc.set_threshold(700, 10, 10)
    before = gc.get_freeze_count()
    garbage.set_aside()
    assert gc.get_freeze_count() > before
    assert gc.get_threshold() == (garbage.NEW_OBJECTS, 10, 10)


@pytest.mark.parametrize("own", [(0, 10, 10), (50_000, 20, 100)])
def test_thresholds_of_ones_own_stay(own: tuple[int, int, int]) -> None:
    gc.set_threshold(*own)
    garbage.set_aside()
    assert gc.get_threshold() == own
