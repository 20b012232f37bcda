"""The rule of CFS bandwidth control, on clocks that the tests turn."""

import pytest

from swarm_ext.primecheck.cpu_limit import PERIOD_NS, CpuLimit

MS = 1_000_000


class Machine:
    """A process at work: both clocks advance together while it runs, only the wall's while it stands still."""

    def __init__(self, cores: float) -> None:
        self.wall_ns = 1_000 * MS
        self.cpu_ns = 0
        self.limit = CpuLimit(cores, wall_clock_ns=lambda: self.wall_ns, cpu_clock_ns=lambda: self.cpu_ns)

    def run(self, milliseconds: float) -> int:
        self.cpu_ns += round(milliseconds * MS)
        return self.idle(milliseconds)

    def idle(self, milliseconds: float) -> int:
        self.wall_ns += round(milliseconds * MS)
        return self.limit.charge()


def test_a_process_within_its_quota_is_never_held_up() -> None:
    machine = Machine(0.25)
    for _ in range(50):
        assert machine.run(20) == 0
        assert machine.idle(80) == 0
    assert (machine.limit.throttled_periods, machine.limit.throttled_ns) == (0, 0)
    assert machine.limit.periods == 50


def test_a_process_out_of_quota_stands_still_until_the_period_ends() -> None:
    machine = Machine(0.25)
    assert machine.run(24) == 0
    assert machine.run(1) == 75 * MS
    assert machine.idle(75) == 0
    assert machine.limit.throttled_ns == 75 * MS
    assert (machine.limit.periods, machine.limit.throttled_periods) == (1, 1)


def test_quota_left_over_is_lost() -> None:
    machine = Machine(0.25)
    machine.idle(1_000)
    assert machine.run(24) == 0
    assert machine.run(1) > 0


def test_cpu_used_beyond_the_quota_is_a_debt_that_later_periods_pay() -> None:
    machine = Machine(0.25)
    assert machine.run(60) == 40 * MS
    assert machine.idle(40) == 100 * MS
    assert machine.idle(100) == 0
    assert machine.run(14) == 0
    assert machine.run(1) > 0
    assert machine.limit.throttled_periods == 2


def test_cpu_used_before_the_limit_began_is_charged() -> None:
    machine = Machine(0.5)
    machine.cpu_ns = 70 * MS
    machine.limit = CpuLimit(0.5, wall_clock_ns=lambda: machine.wall_ns, cpu_clock_ns=lambda: machine.cpu_ns)
    assert machine.limit.charge() == PERIOD_NS


@pytest.mark.parametrize("cores", [0.01, 0.1, 0.25, 0.9])
def test_a_process_that_always_wants_cpu_gets_its_limit_and_no_more(cores: float) -> None:
    machine = Machine(cores)
    began_ns = machine.wall_ns
    while machine.wall_ns - began_ns < 20_000 * MS:
        wait_ns = machine.run(0.7)
        while wait_ns:
            wait_ns = machine.idle(wait_ns / MS)
    elapsed_ns = machine.wall_ns - began_ns
    assert machine.cpu_ns / elapsed_ns == pytest.approx(cores, rel=0.02)
    assert machine.limit.throttled_ns == elapsed_ns - machine.cpu_ns
    assert machine.limit.periods == pytest.approx(elapsed_ns / PERIOD_NS, abs=2)


@pytest.mark.parametrize("cores", [0, -1, 0.009, 1.01, 2, float("nan"), float("inf")])
def test_a_limit_that_one_process_cannot_keep_is_refused_with_the_remedy(cores: float) -> None:
    with pytest.raises(ValueError, match=r"between 0\.01 and 1, .* use more replicas"):
        CpuLimit(cores)
