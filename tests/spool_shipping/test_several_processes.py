"""Processes that are killed, and processes that share a spool: all that was written is there, once."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.sample_records import RUN_ID, a_run
from tests.spool_shipping.shipping import (
    PATIENCE_SECONDS,
    is_empty,
    numbers,
    opened,
    samples,
    shipped,
    stored,
    waits,
)

if TYPE_CHECKING:
    from tests.integration.bed.mongo_server import MongoServer

WRITER = """
import sys, time
from swarm_ext.store import open_run_store
from tests.sample_records import a_container_sample, a_run

uri, spool, run_id, batches, finish = sys.argv[1:]
store = open_run_store(uri, spool=spool)
store.put_run(a_run(run_id))
for batch in range(int(batches)):
    store.write([a_container_sample(n, run_id) for n in range(10 * batch, 10 * batch + 10)])
    print(batch + 1, flush=True)
    time.sleep(0.01)
if finish == "finish":
    print(store.finish([run_id], 60), flush=True)
store.close()
"""


def writer(
    mongo: MongoServer, file: str, run_id: str, batches: int, finish: str = ""
) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", WRITER, mongo.uri(), file, run_id, str(batches), finish]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def killed_after(process: subprocess.Popen[str], batches: int) -> int:
    """Kill a writer when it has written so much; return how many batches it had."""
    assert process.stdout is not None
    while int(process.stdout.readline()) < batches:
        pass
    process.send_signal(signal.SIGKILL)
    rest = len(
        process.stdout.read().splitlines()
    )  # not communicate, which would not see what readline has taken in
    process.wait(60)
    process.stdout.close()
    return batches + rest


def test_a_process_that_is_killed_leaves_all_that_it_wrote_to_be_shipped(
    mongo: MongoServer, file: str
) -> None:
    mongo.start()
    written = killed_after(writer(mongo, file, RUN_ID, 1_000_000), 30)
    (run,) = shipped(mongo, file).runs
    assert run.state == "stored"
    there = stored(mongo)
    assert there == numbers(0, len(there))
    assert len(there) in (10 * written, 10 * written + 10)
    assert is_empty(file)


def test_two_processes_share_a_spool_and_each_ships_its_own(mongo: MongoServer, file: str) -> None:
    mongo.start()
    writers = [writer(mongo, file, run_id, 50, "finish") for run_id in ("one", "two")]
    for process in writers:
        assert process.communicate(timeout=120)[0].splitlines()[-1] == "True"
    assert stored(mongo, "one") == stored(mongo, "two") == numbers(0, 500)
    assert is_empty(file)


def test_a_run_that_another_process_still_writes_is_left_to_it(mongo: MongoServer, file: str) -> None:
    mongo.start()
    with closing(opened(mongo.uri(), file)) as store:
        store.put_run(a_run())
        store.write(samples(0, 10))
        shipment = shipped(mongo, file)
        assert [run.state for run in shipment.runs] == ["under way"]
        assert shipment.complete
        store.write(samples(10, 20))
        assert store.finish([RUN_ID], PATIENCE_SECONDS)
    assert stored(mongo) == numbers(0, 20)


def test_shipping_while_another_ships_the_same_stores_everything_once(mongo: MongoServer, file: str) -> None:
    with closing(opened(mongo.uri(), file)) as store:
        store.put_run(a_run())
        store.write(samples(0, 3000))
        store.finish([RUN_ID], 0)
        mongo.start()
        assert shipped(mongo, file).complete
        assert store.finish([RUN_ID], PATIENCE_SECONDS)
    assert stored(mongo) == numbers(0, 3000)


def test_runs_for_other_databases_stay_and_are_told(mongo: MongoServer, file: str) -> None:
    mongo.start()
    for database, run_id in (("swarm_ext", "ours"), ("another", "theirs")):
        mongo.kill()
        with closing(opened(mongo.uri(database), file)) as store:
            store.put_run(a_run(run_id))
            store.write(samples(0, 5, run_id))
        mongo.start()
    shipment = shipped(mongo, file)
    assert [(run.run, run.state) for run in shipment.runs] == [("ours", "stored")]
    assert shipment.elsewhere == {f"mongodb://127.0.0.1:{mongo.port}/another": 1}
    assert waits(file)


WIPING_SEED = 1


@pytest.mark.slow
@pytest.mark.parametrize("seed", [WIPING_SEED, 2, 3])
def test_whatever_happens_to_server_and_writer_all_that_was_written_is_there_once(
    mongo: MongoServer, file: str, seed: int
) -> None:
    chance = random.Random(seed)
    mongo.start()
    written: dict[str, int] = {}
    for life in range(3):
        run_id = f"life-{life}"
        process = writer(mongo, file, run_id, 1_000_000)
        assert process.stdout is not None
        until_batches = chance.randrange(20, 50)
        for batch in range(1, until_batches):
            assert int(process.stdout.readline()) == batch
            match chance.randrange(12):
                case 0:
                    mongo.kill()
                    time.sleep(chance.random() / 2)
                    mongo.start()
                case 1:
                    mongo.terminate()
                    mongo.start()
                case 2:
                    mongo.freeze()
                    time.sleep(chance.random() / 2)
                    mongo.thaw()
                case 3:
                    mongo.kill()
                    if seed == WIPING_SEED:
                        mongo.wipe()
                    mongo.start()
        written[run_id] = 10 * killed_after(process, until_batches)
    shipment = shipped(mongo, file)
    assert shipment.complete, shipment
    assert is_empty(file)
    # what was in its place before the data were wiped is gone, and nobody's to send again
    for run_id in list(written)[-1 if seed == WIPING_SEED else 0 :]:
        there = stored(mongo, run_id)
        assert there == numbers(0, len(there))
        assert len(there) in (written[run_id], written[run_id] + 10)
