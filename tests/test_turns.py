"""Native threads have short turns at the interpreter while load is generated."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from swarm_ext import turns

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = sys.getswitchinterval()
    yield
    sys.setswitchinterval(before)


def test_a_turn_is_short_from_then_on() -> None:
    sys.setswitchinterval(0.005)
    turns.keep_short()
    assert sys.getswitchinterval() == pytest.approx(turns.TURN_SECONDS, abs=1.5e-6)


def test_a_turn_that_is_shorter_already_stays_so() -> None:
    sys.setswitchinterval(0.0001)
    turns.keep_short()
    assert sys.getswitchinterval() == pytest.approx(0.0001, abs=1.5e-6)
