"""Whose change it was: the autoscaler's own, or somebody else's."""

from __future__ import annotations

from swarm_ext.scaling.ownership import Ownership


def changes(*found: tuple[float, int], asked: int | None = None) -> list[str | None]:
    ownership = Ownership()
    if asked is not None:
        ownership.asks_for(asked)
    return [ownership.found(desired, now) for now, desired in found]


def test_what_was_asked_for_is_nobody_elses_change() -> None:
    assert changes((0, 2), (5, 2), (10, 4), (15, 4), asked=4) == [None] * 4


def test_a_change_that_was_not_asked_for_is_told_once() -> None:
    assert changes((0, 2), (5, 3), (10, 3)) == [None, "adopted 3, set by somebody else (was 2)", None]


def test_somebody_else_may_also_set_what_was_asked_for_long_ago() -> None:
    assert changes((0, 2), (5, 4), (10, 1), (15, 4), asked=4)[2:] == [
        "adopted 1, set by somebody else (was 4)",
        "adopted 4, set by somebody else (was 1)",
    ]


def test_three_changes_within_two_minutes_look_like_a_fight() -> None:
    quick = changes((0, 1), (10, 2), (50, 3), (130, 4))[-1]
    slow = changes((0, 1), (10, 2), (50, 3), (131, 4))[-1]

    assert quick is not None
    assert "3 such changes within 120 s: two scalers may be fighting" in quick
    assert slow == "adopted 4, set by somebody else (was 3)"
