"""What the autoscaler sees: whom it counts, over which samples, and when it knows nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from swarm_ext.model import ContainerSample, LoadSample, ServiceState, Task, TaskState
from swarm_ext.scaling import ArrivalRate, Observation, ReplicaUse
from swarm_ext.scaling.observer import Observer
from swarm_ext.scaling.window import CpuWindow, Gap, LoadWindow
from tests.simulated_swarm import load_sample

NODE_CLOCK = datetime(2031, 5, 5, tzinfo=UTC)
OUR_CLOCK = datetime(2026, 1, 1, tzinfo=UTC)
ALWAYS = float("-inf")


def sample(
    second: float,
    cpu_seconds: float | None,
    container: str = "c1",
    service: str | None = "web",
    throttled_seconds: float | None = None,
) -> ContainerSample:
    return ContainerSample(
        run_id="run",
        timestamp=NODE_CLOCK + timedelta(seconds=second),
        node="n1",
        service=service,
        slot=1,
        container_id=container,
        container_name="web.1",
        cpu_usage_seconds=cpu_seconds,
        cpu_usage_cores=None,
        cpu_limit_cores=None,
        throttled_seconds=throttled_seconds,
        memory_usage_bytes=None,
        memory_working_set_bytes=None,
        memory_limit_bytes=None,
        network_rx_bytes=None,
        network_tx_bytes=None,
    )


def window_of(points: list[tuple[float, float | None]], received: float = 100.0) -> CpuWindow:
    window = CpuWindow(15, stale_after_seconds=5)
    window.add([sample(second, cpu) for second, cpu in points], received)
    return window


STEADY = [(float(second), 0.3 * second) for second in range(16)]


@pytest.mark.parametrize(
    ("name", "points", "expected"),
    [
        ("steady use", STEADY, 0.3),
        ("only the first and the last point count", [(0, 0.0), (1, 3.9), (14, 4.0), (15, 4.5)], 0.3),
        ("points at uneven distances", [(0, 0.0), (1.1, 1.0), (2.7, 1.1), (10, 3.0)], 0.3),
        (
            "what is older than the window does not count",
            [(-20, 0.0), (-1, 90.0), (0, 100.0), (15, 104.5)],
            0.3,
        ),
        ("points out of order", [(15, 4.5), (0, 0.0), (7, 1.0)], 0.3),
        ("points that come twice", [*STEADY, *STEADY, (15.0, 4.5)], 0.3),
        ("points without CPU", [*STEADY, (16.0, None)], 0.3),
        ("a window half filled", [(7.5, 0.0), (15, 2.25)], 0.3),
        ("one point", [(0, 1.0)], Gap.UNSEEN),
        ("points too close together", [(0, 1.0), (1, 2.0)], Gap.UNSEEN),
        ("a lonely point at the end of an old series", [(-100, 1.0), (0, 2.0)], Gap.UNSEEN),
        ("a counter that runs backwards", [(0, 9.0), (15, 1.0)], Gap.UNSEEN),
        ("no points at all", [], Gap.UNSEEN),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_use_is_the_cumulative_cpu_between_first_and_last_point(
    name: str, points: list[tuple[float, float | None]], expected: float | Gap
) -> None:
    use = window_of(points).use("c1", 100.0, ALWAYS)

    if isinstance(use, Gap):
        assert use is expected
    else:
        assert use.cpu_cores == pytest.approx(expected)


def test_throttling_is_a_share_of_the_time() -> None:
    window = CpuWindow(15, stale_after_seconds=5)
    window.add([sample(second, second, throttled_seconds=0.4 * second) for second in range(16)], 100.0)

    assert window.use("c1", 100.0, ALWAYS) == ReplicaUse(1.0, pytest.approx(0.4))


def test_only_what_followed_the_last_change_of_replicas_counts_but_never_less_than_a_third() -> None:
    busy_then_half = [(float(second), min(second, 7) + 0.5 * max(0, second - 7)) for second in range(16)]
    window = window_of(busy_then_half, received=100.0)
    use = {since: window.use("c1", 100.0, since) for since in (ALWAYS, 92.0, 99.0)}

    assert use[ALWAYS] == ReplicaUse(pytest.approx(11 / 15))
    assert use[92.0] == ReplicaUse(pytest.approx(0.5))
    assert use[99.0] == ReplicaUse(pytest.approx(0.5))


def test_a_container_is_stale_when_its_newest_timestamp_has_not_advanced_for_five_seconds() -> None:
    window = window_of(STEADY, received=100.0)
    window.add([sample(*STEADY[-1]), sample(*STEADY[3])], 104.0)

    assert isinstance(window.use("c1", 105.0, ALWAYS), ReplicaUse)
    assert window.use("c1", 105.1, ALWAYS) is Gap.STALE
    window.add([sample(16.0, 4.8)], 105.2)
    assert isinstance(window.use("c1", 105.3, ALWAYS), ReplicaUse)


def test_a_node_whose_clock_is_years_off_is_as_good_as_any() -> None:
    window = window_of([(second - 3e8, cpu) for second, cpu in STEADY])

    assert window.use("c1", 100.0, ALWAYS) == ReplicaUse(pytest.approx(0.3, rel=1e-4))


def test_memory_holds_one_window_and_forgets_containers_that_are_gone() -> None:
    window = CpuWindow(15, stale_after_seconds=5)
    for second in range(1000):
        window.add(
            [sample(second - late, second - late, container="stays") for late in (0, 3, 3)], float(second)
        )
        window.add([sample(second, second, container=f"gone{second}")], float(second))

    assert len(window) <= 16 + 62


# Load


def load(second: float, offered: int, asked_rate: float | None = None) -> LoadSample:
    return load_sample(OUR_CLOCK + timedelta(seconds=second), offered=offered, asked_rate=asked_rate)


@pytest.mark.parametrize(
    ("samples", "rate"),
    [
        ([], None),
        ([load(0, 20)], None),
        ([load(second, 20) for second in range(4)], None),
        ([load(second, 20) for second in range(5)], ArrivalRate(20.0, "offered")),
        ([load(second, 10 if second < 10 else 40) for second in range(25)], ArrivalRate(40.0, "offered")),
        ([load(second, 30) for second in range(0, 15, 2)], ArrivalRate(16.0, "offered")),
        ([load(0, 20, asked_rate=25.0)], ArrivalRate(25.0, "asked")),
        ([load(0, 20, asked_rate=25.0), load(1, 20, asked_rate=50.0)], ArrivalRate(50.0, "asked")),
        ([load(second, 20) for second in (0, 1, 2, 3, 4, 4, 3)], ArrivalRate(20.0, "offered")),
    ],
    ids=[
        "none",
        "one",
        "too few",
        "enough",
        "only the window",
        "missing seconds",
        "asked",
        "the newest asked",
        "twice",
    ],
)
def test_the_arrival_rate_is_what_is_asked_now_or_was_offered_over_the_window(
    samples: list[LoadSample], rate: ArrivalRate | None
) -> None:
    window = LoadWindow(15, stale_after_seconds=5)
    window.add(samples, 100.0)

    assert window.rate() == rate
    assert len(window) <= 15


def test_load_is_stale_when_no_new_second_comes() -> None:
    window = LoadWindow(15, stale_after_seconds=5)
    assert not window.is_stale(1000.0)

    window.add([load(0, 20)], 100.0)
    window.add([load(0, 20)], 104.0)

    assert not window.is_stale(105.0)
    assert window.is_stale(105.1)


# Whom to count


def task(
    number: int,
    *,
    age: float = 1000.0,
    state: TaskState = "running",
    desired_state: TaskState = "running",
    ready: bool = True,
    container: str | None = None,
) -> Task:
    return Task(
        id=f"task{number}",
        slot=number,
        node="n1",
        container_id=container or f"c{number}",
        state=state,
        desired_state=desired_state,
        ready=ready,
        since=OUR_CLOCK - timedelta(seconds=age),
    )


def state_of(*tasks: Task, desired: int | None = None) -> ServiceState:
    return ServiceState(
        name="web",
        desired=len(tasks) if desired is None else desired,
        running=0,
        ready=0,
        pending=0,
        update_state=None,
        tasks=tasks,
        cpu_limit_cores=0.5,
        cpu_reservation_cores=None,
        memory_limit_bytes=None,
        labels={},
    )


class Watch:
    """An observer of `web` with a warm-up of 30 s, whose containers c1 to c9 use a tenth of a core by number."""

    def __init__(self) -> None:
        self.observer = Observer("web", window_seconds=15, warm_up_seconds=30, stale_after_seconds=5)
        self.now = 0.0

    def pass_time(self, seconds: int, state: ServiceState, without: str = "") -> Observation:
        for _ in range(seconds):
            self.now += 1.0
            containers = [f"c{number}" for number in range(1, 10)]
            samples = [
                sample(self.now, int(name[1:]) / 10 * self.now, name)
                for name in containers
                if name not in without
            ]
            self.observer.container_samples(samples, self.now)
            self.observer.service_state(state, self.now, OUR_CLOCK + timedelta(seconds=self.now))
        return self.observer.observe(state, self.now)


def cores(observation: Observation) -> list[float]:
    return [round(use.cpu_cores, 6) for use in observation.replicas]


def test_running_replicas_are_joined_to_their_samples_by_container_id() -> None:
    seen = Watch().pass_time(20, state_of(task(1), task(3)))

    assert cores(seen) == [0.1, 0.3]
    assert seen.unknown == 0


def test_a_task_in_its_stop_grace_burns_cpu_and_does_not_count() -> None:
    ending = task(2, desired_state="shutdown")
    seen = Watch().pass_time(20, state_of(task(1), ending, desired=1))

    assert cores(seen) == [0.1]
    assert seen.unknown == 0


def test_tasks_that_have_not_started_count_as_starting() -> None:
    states: list[TaskState] = ["pending", "preparing", "failed"]
    waiting = [task(number, state=state) for number, state in enumerate(states, 2)]
    seen = Watch().pass_time(20, state_of(task(1), *waiting, desired=4))

    assert cores(seen) == [0.1]
    assert seen.starting == 3


def test_the_first_state_is_believed_about_how_old_its_tasks_are() -> None:
    seen = Watch().pass_time(10, state_of(task(1), task(2, age=5.0)))

    assert cores(seen) == [0.1]
    assert seen.starting == 1


def test_a_replica_counts_when_it_is_warm_and_has_been_measured() -> None:
    watch = Watch()
    watch.pass_time(20, state_of(task(1), desired=2))
    grown = state_of(task(1), task(2))
    begins, warm, measured = watch.pass_time(1, grown), watch.pass_time(30, grown), watch.pass_time(5, grown)

    assert (cores(begins), begins.starting) == ([0.1], 1)
    assert (cores(warm), warm.starting) == ([0.1], 1)
    assert (cores(measured), measured.starting) == ([0.1, 0.2], 0)


def test_a_later_task_is_timed_by_our_clock_whatever_the_swarm_says() -> None:
    watch = Watch()
    watch.pass_time(20, state_of(task(1)))
    seen = watch.pass_time(10, state_of(task(1), task(2, age=1e6)))

    assert seen.starting == 1


def test_the_cpu_of_the_start_is_left_out() -> None:
    observer = Observer("web", window_seconds=15, warm_up_seconds=30, stale_after_seconds=5)
    grown = state_of(task(1))
    observer.service_state(state_of(), 0.0, OUR_CLOCK)
    burned = 0.0
    for second in range(1, 37):
        burned += 1.0 if second <= 30 else 0.1
        observer.container_samples([sample(second, burned)], float(second))
        observer.service_state(grown, float(second), OUR_CLOCK)

    assert cores(observer.observe(grown, 36.0)) == [0.1]


def test_an_unhealthy_replica_does_not_count_until_it_is_healthy_again() -> None:
    watch = Watch()
    healthy, ill = state_of(task(1), task(2)), state_of(task(1), task(2, ready=False))
    watch.pass_time(20, healthy)
    falls_ill = watch.pass_time(1, ill)
    recovers = watch.pass_time(6, healthy)

    assert (cores(falls_ill), falls_ill.starting) == ([0.1], 1)
    assert (cores(recovers), recovers.starting) == ([0.1, 0.2], 0)


def test_a_replaced_container_is_a_new_replica() -> None:
    watch = Watch()
    watch.pass_time(20, state_of(task(1), task(2)))
    replaced = state_of(task(1), task(3))
    seen = watch.pass_time(3, replaced)

    assert (cores(seen), seen.starting) == ([0.1], 1)


def test_samples_that_stop_make_a_replica_stale_and_those_that_never_came_unseen() -> None:
    watch = Watch()
    state = state_of(task(1), task(2), task(3))
    watch.pass_time(20, state, without="c3")
    seen = watch.pass_time(6, state, without="c2 c3")

    assert cores(seen) == [0.1]
    assert (seen.stale, seen.unseen, seen.starting) == (1, 1, 0)


def test_samples_of_another_service_take_no_memory() -> None:
    observer = Observer("web", window_seconds=15, warm_up_seconds=0, stale_after_seconds=5)
    observer.container_samples([sample(1, 1.0, service="db")], 1.0)
    observer.container_samples([sample(1, 1.0, container="c2", service=None)], 1.0)

    assert len(observer._cpu) == 1


def test_load_reaches_the_observation() -> None:
    observer = Observer("web", window_seconds=15, warm_up_seconds=0, stale_after_seconds=5)
    observer.load_samples([load_sample(OUR_CLOCK, offered=20, asked_rate=25.0)], 1.0)
    fresh, stale = observer.observe(state_of(), 2.0), observer.observe(state_of(), 7.0)

    assert fresh.arrivals == stale.arrivals == ArrivalRate(25.0, "asked")
    assert (fresh.arrivals_are_stale, stale.arrivals_are_stale) == (False, True)
