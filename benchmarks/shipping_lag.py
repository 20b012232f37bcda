"""How much shipping to MongoDB delays the event loop that arrivals are scheduled on.

Run by hand, on a quiet machine, patched as Locust is:

    python -m gevent.monkey --module benchmarks.shipping_lag

A greenlet is due every millisecond; its lateness is the schedule lag that an arrival would have. It is measured without
any store, with a run being stored (200 records a second), and while 30,000 records that waited in the spool are shipped.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import gevent

from swarm_ext.store import open_run_store
from swarm_ext.store.writer import StoreWriter
from tests.integration.bed.mongo_server import MongoServer
from tests.sample_records import RUN_ID, a_container_sample, a_run

if TYPE_CHECKING:
    from collections.abc import Callable

    from swarm_ext.store.spool_courier import Courier

SECONDS = 8.0
PERIOD_SECONDS = 0.001
BACKLOG_RECORDS = 30_000


def lateness(meanwhile: Callable[[], object]) -> str:
    """Return p50, p99, p99.9 and the maximum of the lateness while something else goes on."""
    late = []
    other = gevent.spawn(meanwhile)
    due = time.perf_counter()
    end = due + SECONDS
    while due < end:
        due += PERIOD_SECONDS
        gevent.sleep(max(0.0, due - time.perf_counter()))
        late.append(time.perf_counter() - due)
    other.kill()
    late.sort()
    p50, p99, p999 = (late[int(q * len(late))] * 1000 for q in (0.5, 0.99, 0.999))
    return f"p50 {p50:6.2f}  p99 {p99:6.2f}  p99.9 {p999:6.2f}  max {late[-1] * 1000:6.2f} ms"


def storing(writer: StoreWriter) -> Callable[[], None]:
    """Return what puts 200 records a second."""

    def put() -> None:
        number = 0
        while True:
            writer.put([a_container_sample(number + n) for n in range(20)])
            number += 20
            gevent.sleep(0.1)

    return put


def main() -> None:
    """Print a line a situation."""
    argparse.ArgumentParser(description="Print how much shipping to MongoDB delays arrivals.").parse_args()
    print(f"no store                       {lateness(lambda: None)}")
    with tempfile.TemporaryDirectory() as folder, MongoServer(Path(folder) / "state") as server:
        for uri in (f"sqlite:///{folder}/runs.db", server.uri("storing")):
            with closing(open_run_store(uri, spool=f"{folder}/spool.db")) as store:
                writer = StoreWriter(store)
                writer.put_run(a_run())
                print(f"{uri.partition(':')[0]:8} 200 records a second  {lateness(storing(writer))}")
                writer.close(20)
        for batch in (100, 500, 2000):
            server.kill()
            with closing(open_run_store(server.uri(f"batch{batch}"), spool=f"{folder}/{batch}.db")) as store:
                store.put_run(a_run())
                store.write([a_container_sample(number) for number in range(BACKLOG_RECORDS)])
                courier: Courier = store._courier  # type: ignore[attr-defined]  # noqa: SLF001
                server.start()
                while courier.failing or courier.shipper is None:
                    gevent.sleep(0.05)
                courier.shipper.batch_records = batch
                measured = lateness(lambda: None)
                shipped = courier.shipper.account(RUN_ID).shipped
            print(f"backlog, batches of {batch:<10} {measured}; {shipped:6} shipped")


if __name__ == "__main__":
    main()
