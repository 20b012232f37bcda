"""Puts a shipper together: a spool, a connection to the database, and an ear on when that is made anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swarm_ext.store.mongo import MongoStore
from swarm_ext.store.spool_shipper import BATCH_RECORDS, Shipper

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymongo.monitoring import ConnectionPoolListener

    from swarm_ext.store.mongo_client import MongoAddress
    from swarm_ext.store.spool import Spool


def shipper_for(
    address: MongoAddress, spool: Spool, owner: str, *, batch_records: int = BATCH_RECORDS
) -> tuple[Shipper, Callable[[], None]]:
    """Return a shipper, and what lets go of its spool and its connection. The spool is closed also if this raises."""
    listener, made = _connection_counter()
    try:
        # one connection only: each further one tells that the one before was lost
        store = MongoStore(address.for_shipping(), connections=1, listeners=[listener])
    except BaseException:
        spool.close()
        raise

    def let_go() -> None:
        store.close()
        spool.close()

    shipper = Shipper(spool, store, address.target, owner, lambda: made[0], batch_records)
    return shipper, let_go


def _connection_counter() -> tuple[ConnectionPoolListener, list[int]]:
    from pymongo.monitoring import ConnectionPoolListener  # noqa: PLC0415  # an extra

    made = [0]

    class Counter(ConnectionPoolListener):
        def connection_ready(self, event: object) -> None:  # noqa: ARG002
            made[0] += 1

        def ignore(self, event: object) -> None:
            """Nothing else that happens to connections matters here."""

        connection_created = connection_closed = connection_check_out_started = ignore
        connection_check_out_failed = connection_checked_out = connection_checked_in = ignore
        pool_created = pool_ready = pool_cleared = pool_closed = ignore

    return Counter(), made
