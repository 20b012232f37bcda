"""The machine that the load comes from: open files, local ports, and who else computes on it."""

from __future__ import annotations

import os
import resource
from pathlib import Path

from swarm_ext.doctor.finding import Finding, ok, warning, wrong

NEEDED_FILES = 1_100
"""What 1,000 arrivals in flight, the default of --max-in-flight, need with all that is open anyway."""

TIME_WAIT_SECONDS = 60
"""So long Linux keeps the port of a connection that this side has closed."""

FEW_PORTS = 10_000
BUSY_SHARE = 0.5

_SYSTEM = Path("/proc/sys/net/ipv4")


def judge_files(hard_limit: int) -> Finding:
    """Judge the most files that a process may open; `locust` raises its own limit up to there."""
    subject = "open files"
    if hard_limit == resource.RLIM_INFINITY:
        return ok(subject, "a process may open as many as it likes")
    if hard_limit < NEEDED_FILES:
        return wrong(
            subject,
            f"a process may open {hard_limit:,}, and each arrival in flight takes one: fewer than --max-in-flight's 1,000",
            f"raise the hard limit, as in `ulimit -Hn 65536` or LimitNOFILE=, or give --max-in-flight {max(1, hard_limit - 100)}",
        )
    return ok(subject, f"a process may open {hard_limit:,}: room for that many arrivals in flight")


def judge_ports(first: int, last: int, time_wait_reuse: int) -> Finding:
    """Judge the local ports `first` to `last`; `time_wait_reuse` is Linux's tcp_tw_reuse (1: reused after a second)."""
    subject = "local ports"
    ports = last - first + 1
    if time_wait_reuse == 1:
        return ok(
            subject, f"{ports:,}, reused after a second: {ports:,} new connections/s to one address and port"
        )
    rate = ports // TIME_WAIT_SECONDS
    text = (
        f"{ports:,}, each resting for {TIME_WAIT_SECONDS} s once this side has closed its connection: {rate:,} new "
        "connections/s to one address and port, for longer than a minute"
    )
    if ports < FEW_PORTS:
        return warning(
            subject,
            text,
            'give more: `sysctl -w net.ipv4.ip_local_port_range="1024 65535" net.ipv4.tcp_tw_reuse=1`',
        )
    return ok(subject, f"{text}; `sysctl -w net.ipv4.tcp_tw_reuse=1` lifts that")


def judge_cores(cores: int, load: float) -> Finding:
    """Judge the machine's cores against its load average of the last minute."""
    subject = "cores"
    text = f"{cores} here, and a load average of {load:.1f} in the last minute"
    if load > BUSY_SHARE * cores:
        return warning(
            subject,
            text,
            "make the load from a machine that has nothing else to do: what else runs here delays arrivals, and the report's "
            "schedule lag shows it",
        )
    return ok(subject, text)


def examine_machine() -> list[Finding]:
    """Look at this machine."""
    findings = [judge_files(resource.getrlimit(resource.RLIMIT_NOFILE)[1])]
    try:
        first, last = map(int, (_SYSTEM / "ip_local_port_range").read_text().split())
        reuse = int((_SYSTEM / "tcp_tw_reuse").read_text())
    except (OSError, ValueError):
        pass  # not Linux
    else:
        findings.append(judge_ports(first, last, reuse))
    return [*findings, judge_cores(os.cpu_count() or 1, os.getloadavg()[0])]
