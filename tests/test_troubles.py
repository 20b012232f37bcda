from __future__ import annotations

import logging

import pytest

from swarm_ext.model import Trouble
from swarm_ext.troubles import SUCCESSES_UNTIL_WELL, TroubleLog


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> TroubleLog:
    caplog.set_level(logging.INFO)
    return TroubleLog("cAdvisor of node3", logging.getLogger("swarm_ext.test"))


def test_without_failures_there_is_no_trouble_and_not_a_word(
    log: TroubleLog, caplog: pytest.LogCaptureFixture
) -> None:
    log.succeeded()
    assert log.trouble() is None
    assert caplog.messages == []


def test_a_lasting_failure_is_told_once_and_counted_each_time(
    log: TroubleLog, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(5):
        log.failed(f"refused {number}")
    assert caplog.messages == ["cAdvisor of node3: refused 0"]
    assert log.trouble() == Trouble(source="cAdvisor of node3", count=5, message="refused 4")


def test_the_end_is_told_once_with_the_failures_since_the_beginning(
    log: TroubleLog, caplog: pytest.LogCaptureFixture
) -> None:
    for failures in (1, 2):
        for _ in range(failures):
            log.failed("refused")
        for _ in range(10):
            log.succeeded()
    assert caplog.messages == [
        "cAdvisor of node3: refused",
        "cAdvisor of node3: works again; failures meanwhile: 1",
        "cAdvisor of node3: refused",
        "cAdvisor of node3: works again; failures meanwhile: 2",
    ]
    trouble = log.trouble()
    assert trouble is not None
    assert trouble.count == 3


def test_what_fails_every_other_time_is_told_once(log: TroubleLog, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(50):
        log.failed("refused")
        for _ in range(SUCCESSES_UNTIL_WELL - 1):
            log.succeeded()
    assert len(caplog.messages) == 1
    assert log.failing
