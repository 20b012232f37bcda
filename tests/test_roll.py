"""A run's roll: who takes part, who is lost, who came back, and what is said of that."""

from __future__ import annotations

from swarm_ext.distributed.roll import DOUBT_SECONDS, Roll
from swarm_ext.quota import LAPSE_SECONDS


def test_who_takes_part_and_is_not_present_is_missing() -> None:
    roll = Roll(100.0, ["a", "b"])
    roll.enter(["c"])
    assert roll.missing({"a"}) == {"b", "c"}
    assert roll.missing({"a", "b", "c", "stranger"}) == set()


def test_a_lost_worker_is_missing_still_until_it_is_present() -> None:
    roll = Roll(100.0, ["a"])
    roll.lose("a", 103.0, "")
    assert (roll.missing([]), roll.missing(["a"])) == ({"a"}, set())


def test_a_worker_is_lost_until_it_is_found() -> None:
    roll = Roll(100.0, ["a", "b"])
    roll.lose("a", 103.0, "")
    assert roll.lost == {"a"}
    roll.find("a", 110.0)
    assert roll.lost == set()
    assert roll.losses() == []


def test_a_loss_is_told_in_seconds_of_the_run_with_what_comes_of_it() -> None:
    roll = Roll(100.0, ["a"])
    line = "worker a was lost 7 s into the run: its arrivals are uncertain"
    assert roll.lose("a", 107.2, "its arrivals are uncertain") == line
    assert roll.losses() == [line]


def test_a_return_is_told_in_seconds_since_the_loss() -> None:
    roll = Roll(100.0, ["a"])
    roll.lose("a", 107.0, "")
    assert roll.find("a", 119.0).startswith("worker a was lost 7 s into the run and came back 12 s later:")


def test_losses_are_told_by_the_workers_names() -> None:
    roll = Roll(100.0, ["a", "b"])
    lines = [roll.lose(worker, now, "") for worker, now in (("b", 101.0), ("a", 102.0))]
    assert roll.losses() == lines[::-1]


def test_a_lost_worker_is_given_up_when_it_was_not_heard_for_longer_than_its_leases_last() -> None:
    assert DOUBT_SECONDS > LAPSE_SECONDS
    roll = Roll(100.0, ["a", "b"])
    roll.lose("a", 110.0, "")
    roll.hear("a", 112.0)
    roll.hear("b", 112.0)
    assert roll.given_up(112.0 + DOUBT_SECONDS) == set()
    assert roll.given_up(112.1 + DOUBT_SECONDS) == {"a"}
    roll.find("a", 125.0)
    assert roll.given_up(200.0) == set()


def test_that_others_make_what_is_uncertain_is_told_when_they_do() -> None:
    roll = Roll(100.0, ["a"])
    line = roll.lose("a", 107.2, "its arrivals are uncertain: not counted")
    assert roll.losses() == [line]
    roll.make_up_for("a")
    assert roll.losses() == [f"{line}, and made again"]
