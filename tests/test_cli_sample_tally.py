"""How a sampling tells what it has brought."""

from __future__ import annotations

import msgspec

from swarm_ext.without_load.tally import Tally
from tests.sample_records import a_container_sample


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def of(container: str, node: str = "node1") -> list[object]:
    return [msgspec.structs.replace(a_container_sample(), container_id=container, node=node)]


def test_progress_tells_samples_and_the_rate_since_it_was_last_told() -> None:
    clock = Clock()
    tally = Tally(clock)
    for _second in range(10):
        clock.now += 1
        tally.add(of("a") + of("b", "node2"))
    assert tally.progress() == "10 s: 20 samples, 2.0/s, of 2 containers on 2 nodes"
    clock.now += 5
    tally.add(of("a"))
    assert tally.progress() == "15 s: 21 samples, 0.2/s, of 2 containers on 2 nodes"


def test_a_container_that_is_silent_is_not_there_any_more_and_takes_no_memory() -> None:
    clock = Clock()
    tally = Tally(clock)
    for number in range(1000):
        clock.now += 60
        tally.add(of(f"container {number}"))
    assert tally.progress().endswith("1,000 samples, 0.0/s, of 1 container on 1 node")
    assert len(tally._containers) == 1


def test_the_summary_has_the_most_that_there_ever_were_at_once() -> None:
    clock = Clock()
    tally = Tally(clock)
    tally.add(of("a") + of("b") + of("c", "node2"))
    clock.now += 3725
    tally.add(of("a"))
    assert tally.summary() == "4 samples in 1 h 02 min, of at most 3 containers at once on 2 nodes"
