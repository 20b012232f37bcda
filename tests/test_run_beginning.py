"""A run whose beginning fails or is killed has ended, for whoever waits for it; real master, no worker."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import gevent
import pytest
from locust.env import Environment

from swarm_ext.asked import Asked
from swarm_ext.conductor import Conductor
from swarm_ext.distributed import admission
from swarm_ext.distributed.fleet import Fleet
from swarm_ext.errors import UserError
from swarm_ext.observation import Observation
from swarm_ext.settings import settings
from swarm_ext.store import open_run_store
from tests.integration.ports import free_port
from tests.sample_records import a_full_run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BOUND_SECONDS = 30


@pytest.fixture
def conductor(tmp_path: Path) -> Iterator[Conductor]:
    environment = Environment(parsed_options=argparse.Namespace())
    runner = environment.create_master_runner("127.0.0.1", free_port())
    store = open_run_store(
        f"sqlite:///{tmp_path / 'runs.db'}", spool=None, spool_limit_bytes=1 << 20, required=False
    )
    observation = Observation(
        store, nodes=None, swarm=None, service="", plan=None, sample_interval_seconds=1.0
    )
    yield Conductor(
        a_full_run(),
        Asked(settings(None)),
        Fleet(environment, runner, same_machine=False),
        observation,
        stop_timeout=lambda: 0.0,
        finish_locust=lambda: None,
        on_end=lambda _run: None,
    )
    runner.greenlet.kill(block=True)
    runner.server.socket.context.destroy(linger=0)
    store.close()


def begun(conductor: Conductor) -> gevent.Greenlet:
    """Let it begin, as Locust does, in a greenlet of its own; return that when it waits for workers."""

    def begin() -> str:
        try:
            conductor.begin()
        except UserError as error:
            return str(error)
        return ""

    beginning = gevent.spawn(begin)
    gevent.sleep(0)
    assert conductor.is_beginning
    assert not beginning.ready()
    return beginning


def test_a_run_to_which_no_worker_comes_has_ended_for_whoever_waits_for_that(
    conductor: Conductor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "GATHER_SECONDS", 0.2)
    beginning = begun(conductor)
    waiting = gevent.spawn(conductor.ended.wait, BOUND_SECONDS)
    assert "no worker that may take part came" in beginning.get(timeout=BOUND_SECONDS)
    assert waiting.get() is True
    assert not conductor.is_beginning


def test_a_run_whose_beginning_is_killed_has_ended_and_can_be_stopped_still(conductor: Conductor) -> None:
    beginning = begun(conductor)
    waiting = gevent.spawn(conductor.ended.wait, BOUND_SECONDS)
    beginning.kill()
    assert waiting.get() is True
    assert not conductor.is_beginning
    stopping = gevent.spawn(conductor.stop_load, "finished")
    stopping.get(timeout=BOUND_SECONDS)


def test_a_run_that_is_stopped_while_it_waits_for_workers_begins_at_once_without_load(
    conductor: Conductor,
) -> None:
    beginning = begun(conductor)
    conductor.stop_load("interrupted")
    assert beginning.get(timeout=BOUND_SECONDS) == ""
    assert conductor.ended.wait(BOUND_SECONDS)
    assert conductor.run.exit_status == "interrupted"
    assert conductor.run.totals is not None
    assert conductor.run.totals.offered == 0
    assert "there was none; start one" in conductor.run.troubles[0].message
