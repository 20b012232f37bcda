"""Holds a bed up, to try things by hand: `python -m tests.integration.bed`; Ctrl-C takes it down."""

from __future__ import annotations

import signal
import sys

from tests.integration.bed.swarm import Bed


def _end(*_: object) -> None:
    sys.exit(0)


signal.signal(signal.SIGTERM, _end)
with Bed() as bed:
    for engine in bed.engines:
        print(f"{engine.name}: {engine.host.address}, export DOCKER_HOST={engine.docker_host}", flush=True)
    print("up; Ctrl-C takes it down", flush=True)
    try:
        signal.pause()
    except KeyboardInterrupt:
        print("taking it down", flush=True)
