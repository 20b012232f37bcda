"""What a run without an end keeps: the records of so many days, of itself and of earlier ones like it."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
import pytest

from swarm_ext.model import ContainerSample, Run
from swarm_ext.store import open_store
from swarm_ext.without_load.retention import prune
from tests.sample_records import a_container_sample

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 22, tzinfo=UTC)
WEEK_OLD, DAY_OLD = NOW - timedelta(days=7), NOW - timedelta(days=1)


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/runs.db"


def stored(uri: str, run: Run) -> Run:
    """A run with a record of a week ago and one of yesterday."""
    with closing(open_store(uri)) as store:
        store.put_run(run)
        store.write(
            [
                msgspec.structs.replace(a_container_sample(run_id=run.id), timestamp=moment)
                for moment in (WEEK_OLD, DAY_OLD)
            ]
        )
    return run


def left(uri: str, run: Run) -> list[datetime]:
    with closing(open_store(uri)) as store:
        return [sample.timestamp for sample in store.read(run.id, ContainerSample)]


def a_run(run_id: str, **options: object) -> Run:
    return Run(id=run_id, start=WEEK_OLD, options=options)


def test_old_records_of_the_run_and_of_earlier_endless_ones_of_its_command_are_deleted(uri: str) -> None:
    now = stored(uri, a_run("now", command="sample"))
    earlier = stored(uri, a_run("earlier", command="sample"))
    timed = stored(uri, a_run("timed", command="sample", duration="60"))
    other = stored(uri, a_run("other", command="autoscale"))
    load = stored(uri, a_run("load", users=2))
    with closing(open_store(uri)) as store:
        assert prune(store, run=now, before=NOW - timedelta(days=3)) == 2
    assert left(uri, now) == left(uri, earlier) == [DAY_OLD]
    for kept in (timed, other, load):
        assert left(uri, kept) == [WEEK_OLD, DAY_OLD]


def test_the_runs_themselves_stay(uri: str) -> None:
    run = stored(uri, a_run("now", command="autoscale"))
    with closing(open_store(uri)) as store:
        assert prune(store, run=run, before=NOW) == 2
        assert [each.id for each in store.runs()] == ["now"]
