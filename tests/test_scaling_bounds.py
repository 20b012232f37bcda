"""The fewest and the most replicas: from options, labels and defaults."""

from __future__ import annotations

import pytest

from swarm_ext.errors import UserError
from swarm_ext.scaling import Bounds, bounds_from

MINIMUM, MAXIMUM = "swarm.autoscaler.minimum", "swarm.autoscaler.maximum"


@pytest.mark.parametrize(
    ("options", "labels", "bounds"),
    [
        ((None, None), {}, Bounds(1, 10)),
        ((None, None), {MINIMUM: "2", MAXIMUM: " 5 "}, Bounds(2, 5)),
        ((3, None), {MINIMUM: "2", MAXIMUM: "5"}, Bounds(3, 5)),
        ((3, 4), {MINIMUM: "2", MAXIMUM: "5"}, Bounds(3, 4)),
        ((3, 4), {MINIMUM: "abc", MAXIMUM: ""}, Bounds(3, 4)),
    ],
    ids=["defaults", "labels", "an option and a label", "options", "options over broken labels"],
)
def test_options_win_over_labels_and_labels_over_defaults(
    options: tuple[int | None, int | None], labels: dict[str, str], bounds: Bounds
) -> None:
    assert bounds_from(*options, labels, Bounds(1, 10)) == bounds


@pytest.mark.parametrize(
    ("options", "labels", "words"),
    [
        (
            (None, None),
            {MINIMUM: "abc"},
            "label swarm.autoscaler.minimum is 'abc'.*override it with --min-replicas",
        ),
        ((None, None), {MAXIMUM: "-3"}, "label swarm.autoscaler.maximum is '-3'"),
        ((None, None), {MAXIMUM: "2.5"}, "must be a whole number"),
        ((None, None), {MINIMUM: "0"}, "label swarm.autoscaler.minimum is 0; it must be at least 1"),
        ((0, None), {}, "--min-replicas is 0; it must be at least 1"),
        ((5, 4), {}, "--max-replicas is 4, below --min-replicas, which is 5"),
        ((5, None), {MAXIMUM: "4"}, "label swarm.autoscaler.maximum is 4, below --min-replicas"),
        ((12, None), {}, "the default of --max-replicas is 10, below --min-replicas, which is 12"),
    ],
)
def test_bounds_that_contradict_are_refused_by_where_they_came_from(
    options: tuple[int | None, int | None], labels: dict[str, str], words: str
) -> None:
    with pytest.raises(UserError, match=words):
        bounds_from(*options, labels, Bounds(1, 10))
