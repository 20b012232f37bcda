"""When a worker reports: at once after each second, so that the one it has not told of is never longer than that."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from swarm_ext.distributed.worker import REPORT_LATER_SECONDS, REPORT_SECONDS, seconds_to_report

INSTANTS = st.floats(1.7e9, 1.9e9)


@given(INSTANTS)
def test_each_second_is_reported_as_soon_as_it_is_over(now: float) -> None:
    over = math.ceil(now)
    reports = 0
    while (now := now + seconds_to_report(now)) < over:
        reports += 1
    assert over < now < over + 2 * REPORT_LATER_SECONDS
    assert reports <= 3, "the half second, and what rounding adds"


@given(INSTANTS)
def test_no_report_waits_longer_than_the_others(now: float) -> None:
    assert 0 < seconds_to_report(now) <= REPORT_SECONDS
