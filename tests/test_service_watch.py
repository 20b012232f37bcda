"""The watcher on a swarm whose answers the test writes down; the embedded swarm is watched in tests/integration."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import gevent
import msgspec
import pytest

from swarm_ext.model import ServiceSample, ServiceState, Task
from swarm_ext.service_watch import ServiceWatcher
from swarm_ext.swarm import SwarmError, UnknownServiceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from swarm_ext.model import Node

TASK = Task(
    id="t1",
    slot=1,
    node="node1",
    container_id="a" * 64,
    state="running",
    desired_state="running",
    ready=True,
    since=datetime(2024, 5, 1, tzinfo=UTC),
)
STATE = ServiceState(
    name="web",
    desired=1,
    running=1,
    ready=1,
    pending=0,
    update_state=None,
    tasks=(TASK,),
    cpu_limit_cores=0.25,
    cpu_reservation_cores=None,
    memory_limit_bytes=None,
    labels={},
)


class ScriptedSwarm:
    """Gives `answer` (or raises it) for every service, and counts how often it was asked."""

    kind = "scripted"

    def __init__(self, answer: ServiceState | Exception = STATE) -> None:
        self.answer = answer
        self.asked = 0
        self.blocking = False
        self.asked_at_once = 0
        self.most_at_once = 0

    def service(self, name: str) -> ServiceState:
        assert name == "web"
        self.asked += 1
        self.asked_at_once += 1
        self.most_at_once = max(self.most_at_once, self.asked_at_once)
        try:
            gevent.sleep(3600 if self.blocking else 0.001)
            if isinstance(self.answer, Exception):
                raise self.answer
            return self.answer
        finally:
            self.asked_at_once -= 1

    def nodes(self) -> Sequence[Node]:
        return []

    def services(self) -> Sequence[str]:
        return ["web"]

    def scale(self, name: str, replicas: int) -> None:
        raise AssertionError("a watcher does not scale")

    def close(self) -> None:
        pass


class Watch:
    """A watcher of a scripted swarm, and what it told."""

    def __init__(self) -> None:
        self.swarm = ScriptedSwarm()
        self.samples: list[ServiceSample] = []
        self.watcher = ServiceWatcher(
            "run", self.swarm, "web", on_samples=self.samples.extend, interval_seconds=0.02
        )


@pytest.fixture
def watch() -> Iterator[Watch]:
    watch = Watch()
    yield watch
    watch.watcher.stop()


def until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        gevent.sleep(0.01)


def test_a_sample_tells_the_services_state(watch: Watch) -> None:
    assert watch.watcher.look() == STATE
    (sample,) = watch.samples
    assert (sample.run_id, sample.service, sample.tasks) == ("run", "web", (TASK,))
    assert (sample.desired, sample.running, sample.ready, sample.pending) == (1, 1, 1, 0)
    assert sample.timestamp.tzinfo is UTC


def test_a_service_that_does_not_change_is_told_once_a_second(watch: Watch) -> None:
    watch.watcher.start()
    until(lambda: len(watch.samples) == 3)
    times = [sample.timestamp.timestamp() for sample in watch.samples]
    assert times[2] - times[0] >= 1.9
    assert watch.swarm.asked >= 6


@pytest.mark.parametrize(
    "change",
    [
        {"desired": 2},
        {"pending": 1},
        {"ready": 0},
        {"running": 0},
        {"update_state": "updating"},
        {"tasks": ()},
    ],
)
def test_every_change_is_told_at_once(watch: Watch, change: dict[str, object]) -> None:
    watch.watcher.look()
    watch.swarm.answer = changed = msgspec.structs.replace(STATE, **change)
    watch.watcher.look()
    watch.watcher.look()
    assert len(watch.samples) == 2
    assert watch.watcher.latest == changed


def test_a_change_of_what_no_sample_tells_is_none(watch: Watch) -> None:
    watch.watcher.look()
    watch.swarm.answer = msgspec.structs.replace(STATE, labels={"a": "b"})
    watch.watcher.look()
    assert len(watch.samples) == 1
    assert watch.watcher.latest is watch.swarm.answer


def test_the_age_of_the_latest_state_grows_while_the_swarm_fails(watch: Watch) -> None:
    assert watch.watcher.age_seconds == float("inf")
    watch.watcher.look()
    watch.swarm.answer = SwarmError("gone")
    age = watch.watcher.age_seconds
    gevent.sleep(0.05)
    assert watch.watcher.look() == STATE
    assert watch.watcher.age_seconds >= age + 0.05


@pytest.mark.parametrize(
    "error", [SwarmError("manager\ndown"), UnknownServiceError("no web"), RuntimeError("bug")]
)
def test_a_failing_swarm_is_counted_told_once_and_asked_again(
    watch: Watch, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    watch.swarm.answer = error
    watch.watcher.start()
    until(lambda: watch.swarm.asked >= 5)
    watch.swarm.answer = STATE
    until(lambda: "works again" in caplog.text)
    assert len(caplog.messages) == 2
    assert "\n" not in caplog.messages[0]
    (trouble,) = watch.watcher.troubles()
    assert trouble.source == "service web"
    assert trouble.count >= 4
    assert watch.samples


def test_a_listener_that_raises_does_not_end_the_watch() -> None:
    def listen(samples: Sequence[ServiceSample]) -> None:
        raise RuntimeError("disk full")

    watcher = ServiceWatcher("run", ScriptedSwarm(), "web", on_samples=listen)
    assert watcher.look() == STATE
    assert [(each.source, each.count) for each in watcher.troubles()] == [("listener to service samples", 1)]


def test_stopping_looks_a_last_time(watch: Watch) -> None:
    watch.watcher.start()
    until(lambda: watch.watcher.latest is not None)
    watch.swarm.answer = last = msgspec.structs.replace(STATE, desired=3)
    watch.watcher.stop()
    watch.watcher.stop()
    assert watch.watcher.latest == last
    assert watch.samples[-1].desired == 3


def test_a_swarm_that_never_answers_does_not_hold_up_the_stop(watch: Watch) -> None:
    watch.swarm.blocking = True
    watch.watcher.start()
    until(lambda: watch.swarm.asked == 1)
    with gevent.Timeout(30):
        watch.watcher.stop(timeout_seconds=0.1)
    assert watch.swarm.asked_at_once == 0


def test_a_look_from_elsewhere_waits_for_the_one_under_way(watch: Watch) -> None:
    gevent.joinall([gevent.spawn(watch.watcher.look) for _ in range(5)], raise_error=True)
    assert watch.swarm.most_at_once == 1


@pytest.mark.parametrize("interval", [0, -1, 1.5, float("nan")])
def test_an_impossible_interval_is_refused(interval: float) -> None:
    with pytest.raises(ValueError, match="above 0 and at most 1"):
        ServiceWatcher("run", ScriptedSwarm(), "web", on_samples=len, interval_seconds=interval)


def test_starting_twice_is_refused(watch: Watch) -> None:
    watch.watcher.start()
    with pytest.raises(RuntimeError, match="started already"):
        watch.watcher.start()
