"""Which slots a swarm starts and stops, as a table of cases."""

import pytest

from swarm_ext.swarm.local_plan import Plan, exit_error, plan
from swarm_ext.swarm.local_swarm import cores_warning


@pytest.mark.parametrize(
    ("case", "desired", "active", "expected"),
    [
        ("nothing to do", 2, {1, 2}, Plan()),
        ("nothing wanted", 0, set(), Plan()),
        ("the first ones", 3, set(), Plan(start=(1, 2, 3))),
        ("scale-out takes the next slots", 4, {1, 2}, Plan(start=(3, 4))),
        ("scale-out fills gaps first", 4, {2, 4}, Plan(start=(1, 3))),
        ("scale-in takes the highest slots first", 1, {1, 2, 3}, Plan(stop=(3, 2))),
        ("to nothing", 0, {2, 5}, Plan(stop=(5, 2))),
    ],
)
def test_slots_are_started_and_stopped_as_a_swarm_does(
    case: str, desired: int, active: set[int], expected: Plan
) -> None:
    assert plan(desired, active) == expected, case


@pytest.mark.parametrize(
    ("code", "text"),
    [(0, None), (1, "exit code 1"), (-9, "killed by signal 9 (SIGKILL)"), (-77, "killed by signal 77")],
)
def test_an_exit_code_is_told_in_words(code: int, text: str | None) -> None:
    assert exit_error(code) == text


@pytest.mark.parametrize(
    ("replicas", "limit", "machine", "generator", "words"),
    [
        (4, 0.25, 2, 1.0, None),
        (
            5,
            0.25,
            2,
            1.0,
            ["5 replicas × 0.25 cores", "2.25 cores", "this machine has 2", "--max-replicas to 4"],
        ),
        (10, 0.1, 2, 1.0, None),
        (2, None, 2, 1.0, ["2 replicas × 1 cores", "--max-replicas to 1"]),
        (1, 0.5, 1, 1.0, ["a lower CPU limit, or use a larger machine"]),
        (8, 0.25, 4, 2.0, None),
    ],
)
def test_it_is_said_when_replicas_and_generator_need_more_cores_than_there_are(
    replicas: int, limit: float | None, machine: float, generator: float, words: list[str] | None
) -> None:
    warning = cores_warning(replicas, limit, machine, generator)
    if words is None:
        assert warning is None
    else:
        assert warning is not None
        assert "\n" not in warning
        assert [word for word in words if word not in warning] == []
