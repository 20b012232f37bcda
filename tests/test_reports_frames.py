"""From a store to tables: one clock, a name for every container, phases also where nobody wrote them down."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from reports.frames import Span, read
from swarm_ext.model import ContainerSample, LoadSample, PhaseSpan, Record, Run
from swarm_ext.store import Store, UnknownRunError, open_store
from tests.synthetic_run import CLOCK_OFFSETS, START, moment, synthetic_run


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path}/runs.db")
    yield opened
    opened.close()


def container(second: float, **changes: object) -> ContainerSample:
    usual = next(record for record in synthetic_run().records if isinstance(record, ContainerSample))
    return msgspec.structs.replace(usual, timestamp=moment(second), node="node-1", **changes)


def test_seconds_are_counted_from_the_first_phase(store: Store) -> None:
    synthetic_run().write(store)
    frames = read(store, "latest")
    assert frames.origin == START
    assert frames.load["t"].iloc[0] == 0.0
    assert [span.name for span in frames.spans] == ["warm-up", "load", "settle"]
    assert frames.spans[1] == Span("load", 5.0, 100.0)
    assert frames.end == 125.0
    assert -2.0 <= frames.start < 0


def test_what_was_measured_long_before_the_load_does_not_stretch_the_time_axis(store: Store) -> None:
    store.put_run(Run(id="r", start=START))
    store.write([container(second, run_id="r") for second in (-120, -3, 5)])
    assert read(store, "r").start == -10.0


def test_what_nodes_stamped_is_put_on_our_clock(store: Store) -> None:
    synthetic_run().write(store)
    frames = read(store, "latest")
    for node, offset in CLOCK_OFFSETS.items():
        stamped = [
            (record.timestamp - START).total_seconds() - offset
            for record in synthetic_run().records
            if isinstance(record, ContainerSample) and record.node == node
        ]
        own = frames.inventory.loc[frames.inventory["node"] == node, "container"]
        seen = frames.containers.loc[frames.containers["container"].isin(own), "t"]
        assert seen.tolist() == pytest.approx(sorted(stamped))
    assert frames.containers["t"].is_monotonic_increasing


def test_every_record_is_there_once(store: Store) -> None:
    made = synthetic_run()
    made.write(store)
    frames = read(store, made.run.id)
    kinds = [type(record).__name__ for record in made.records]
    assert len(frames.load) == kinds.count("LoadSample")
    assert len(frames.containers) == kinds.count("ContainerSample")
    assert len(frames.nodes) == kinds.count("NodeSample")
    assert len(frames.services) == kinds.count("ServiceSample")
    assert len(frames.decisions) == kinds.count("ScalingDecision")
    assert frames.decisions["applied_t"].notna().sum() == 4


def test_a_restarted_task_is_a_new_container_with_a_name_of_its_own(store: Store) -> None:
    synthetic_run().write(store)
    inventory = read(store, "latest").inventory
    second_slot = inventory[inventory["slot"] == 2]
    assert len(second_slot) == 2
    assert second_slot["label"].nunique() == 2
    assert all(label.startswith("web.2 · ") for label in second_slot["label"])
    assert second_slot["last"].iloc[0] < second_slot["first"].iloc[1]


@pytest.mark.parametrize(
    ("service", "slot", "label"),
    [("web", 3, "web.3 · abcdef"), ("web", None, "web · abcdef"), (None, None, "mongo-1 · abcdef")],
)
def test_a_container_is_called_by_the_best_that_is_known_of_it(
    store: Store, service: str | None, slot: int | None, label: str
) -> None:
    run = Run(id="r", start=START)
    store.put_run(run)
    sample = container(
        1, service=service, slot=slot, container_name="mongo-1", container_id="abcdef0123456789"
    )
    store.write([msgspec.structs.replace(sample, run_id="r")])
    assert read(store, "r").inventory["label"].tolist() == [label]


def test_containers_whose_ids_begin_alike_are_told_apart(store: Store) -> None:
    store.put_run(Run(id="r", start=START))
    both: list[Record] = [
        container(1, run_id="r", container_id="abcdef0000000000"),
        container(2, run_id="r", container_id="abcdef1111111111"),
    ]
    store.write(both)
    assert read(store, "r").inventory["label"].tolist() == ["web.1 · abcdef000000", "web.1 · abcdef111111"]


def test_a_run_that_wrote_no_phases_has_those_of_its_load_samples(store: Store) -> None:
    made = synthetic_run()
    store.put_run(msgspec.structs.replace(made.run, phases=()))
    store.write(made.records)
    assert read(store, "latest").spans == (
        Span("warm-up", 0.0, 5.0),
        Span("load", 5.0, 100.0),
        Span("settle", 100.0, 125.0),
    )


def test_a_phase_that_never_ended_lasts_as_long_as_there_were_samples(store: Store) -> None:
    made = synthetic_run()
    phases = (PhaseSpan(name="load", start=START, end=None),)
    store.put_run(msgspec.structs.replace(made.run, phases=phases, end=None, exit_status="running"))
    store.write([record for record in made.records if isinstance(record, LoadSample)][:40])
    assert read(store, "latest").spans == (Span("load", 0.0, 40.0),)


def test_a_run_without_any_record_is_read_as_empty_tables(store: Store) -> None:
    store.put_run(Run(id="empty", start=START, end=START + timedelta(seconds=3)))
    frames = read(store, "empty")
    assert frames.load.empty
    assert frames.inventory.empty
    assert frames.spans == ()
    assert (frames.start, frames.end) == (0.0, 1.0)


def test_a_run_that_is_not_there_is_told_with_those_that_are(store: Store) -> None:
    synthetic_run().write(store)
    with pytest.raises(UnknownRunError, match="20260314-092653-3f2a"):
        read(store, "nonesuch")
