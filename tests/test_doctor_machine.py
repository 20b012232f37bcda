"""What the doctor says of the machine that makes the load."""

from __future__ import annotations

import resource

from swarm_ext.doctor.machine import examine_machine, judge_cores, judge_files, judge_ports


def test_too_few_open_files_are_wrong_with_the_number_that_would_do() -> None:
    finding = judge_files(1024)
    assert finding.status == "wrong"
    assert "may open 1,024" in finding.text
    assert finding.remedy is not None
    assert "--max-in-flight 924" in finding.remedy


def test_many_or_unlimited_files_are_fine() -> None:
    assert judge_files(1_048_576).status == judge_files(resource.RLIM_INFINITY).status == "ok"


def test_ports_rest_for_a_minute_and_so_bound_the_new_connections() -> None:
    finding = judge_ports(32768, 60999, 2)
    assert finding.status == "ok"
    assert "28,232" in finding.text
    assert "470 new connections/s" in finding.text


def test_few_ports_are_a_warning_and_reused_ones_are_not() -> None:
    assert judge_ports(50000, 50999, 0).status == "warning"
    assert judge_ports(50000, 50999, 1).status == "ok"


def test_a_machine_that_is_busy_already_is_a_warning() -> None:
    assert judge_cores(8, 0.3).status == "ok"
    assert judge_cores(2, 1.5).status == "warning"


def test_this_machine_can_be_looked_at() -> None:
    assert [finding.subject for finding in examine_machine()][-1] == "cores"
