"""What becomes of a recommendation: a table of named cases, and when a service is left alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm_ext.scaling import Bounds, Recommendation
from swarm_ext.scaling.decision import Limits, decide, hands_off
from swarm_ext.scaling.placement import Cap
from swarm_ext.scaling.stabilization import Floor
from tests.scaling_services import derandomized, service

if TYPE_CHECKING:
    from swarm_ext.model import UpdateState

UP_TO_TEN = Bounds(1, 10)


@dataclass(frozen=True)
class Decision:
    name: str
    current: int
    wanted: int | None
    replicas: int
    words: str
    bounds: Bounds = UP_TO_TEN
    floor: Floor | None = None
    cap: Cap | None = None


DECISIONS = [
    Decision("nothing to do", 2, 2, 2, "no change: because"),
    Decision("out", 2, 4, 4, "because"),
    Decision("in", 4, 2, 2, "because"),
    Decision(
        "a step doubles at most",
        5,
        40,
        10,
        "because; one step goes no further than 10 (wanted 40)",
        Bounds(1, 99),
    ),
    Decision("a small step reaches four", 1, 40, 4, "because; one step goes no further than 4 (wanted 40)"),
    Decision("above the maximum", 4, 7, 4, "capped at --max-replicas 4 (wanted 7); because", Bounds(1, 4)),
    Decision("up to the maximum", 3, 6, 4, "because; capped at --max-replicas 4 (wanted 6)", Bounds(1, 4)),
    Decision("below the minimum", 2, 1, 2, "kept at --min-replicas 2 (wanted 1); because", Bounds(2, 4)),
    Decision("found above the maximum", 6, None, 4, "capped at --max-replicas 4 (found 6)", Bounds(1, 4)),
    Decision("found below the minimum", 1, None, 2, "kept at --min-replicas 2 (found 1)", Bounds(2, 4)),
    Decision("cannot tell", 3, None, 3, "held: because"),
    Decision(
        "scaling in waits", 4, 1, 4, "scaling in waits: peak (wanted 1); because", floor=Floor(6, "peak")
    ),
    Decision(
        "scaling in goes as far", 4, 1, 3, "because; scaling in further waits: peak", floor=Floor(3, "peak")
    ),
    Decision("scaling out does not wait", 4, 5, 5, "because", floor=Floor(9, "peak")),
    Decision(
        "the maximum goes before waiting",
        6,
        2,
        4,
        "capped at --max-replicas 4",
        Bounds(1, 4),
        Floor(6, "peak"),
    ),
    Decision("not to be placed", 2, 4, 3, "capped at 3: the swarm cannot place more", cap=Cap(3, "no room")),
    Decision("placed less than desired", 5, 5, 3, "(no room; wanted 5)", cap=Cap(3, "no room")),
    Decision("the minimum goes before placing", 2, 4, 2, "capped at 2", Bounds(2, 4), cap=Cap(1, "no room")),
    Decision("cannot tell, so nothing is taken back", 5, None, 5, "held: because", cap=Cap(3, "no room")),
]


@pytest.mark.parametrize("case", DECISIONS, ids=lambda case: case.name)
def test_a_recommendation_is_bounded(case: Decision) -> None:
    recommended = Recommendation(replicas=case.wanted, why="because")
    verdict = decide(recommended, case.current, Limits(bounds=case.bounds, floor=case.floor, cap=case.cap))

    assert verdict.replicas == case.replicas
    assert case.words in verdict.reason


@derandomized
@given(
    current=st.integers(1, 200),
    wanted=st.none() | st.integers(1, 10_000),
    bounds=st.tuples(st.integers(1, 50), st.integers(0, 50)),
    floor=st.none() | st.integers(1, 300),
    cap=st.none() | st.integers(1, 300),
)
def test_the_bounds_are_never_left(
    current: int, wanted: int | None, bounds: tuple[int, int], floor: int | None, cap: int | None
) -> None:
    lowest, more = bounds
    limits = Limits(
        bounds=Bounds(lowest, lowest + more),
        floor=None if floor is None else Floor(floor, "peak"),
        cap=None if cap is None else Cap(cap, "no room"),
    )
    verdict = decide(Recommendation(replicas=wanted, why="because"), current, limits)

    assert lowest <= verdict.replicas <= lowest + more
    assert verdict.reason


@pytest.mark.parametrize("state", ["updating", "paused", "rollback_started", "rollback_paused"])
def test_a_service_in_the_middle_of_an_update_is_left_alone(state: UpdateState) -> None:
    assert f"({state})" in (hands_off(service(2, update_state=state)) or "")


@pytest.mark.parametrize("state", [None, "completed", "rollback_completed"])
def test_a_service_whose_update_is_over_is_scaled(state: UpdateState | None) -> None:
    assert hands_off(service(2, update_state=state)) is None


def test_no_replicas_means_disabled() -> None:
    assert (hands_off(service(0)) or "").startswith("disabled: the service has 0 replicas")
