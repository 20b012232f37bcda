"""Ships what earlier runs left in a spool, in the foreground, and tells of each run what became of it."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from swarm_ext.errors import UserError
from swarm_ext.store import DEFAULT_SPOOL, DEFAULT_SPOOL_LIMIT_BYTES, StoreError, scheme_of
from swarm_ext.store.spool import Spool
from swarm_ext.store.spool_owner import is_alive

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from swarm_ext.store.mongo_client import MongoAddress
    from swarm_ext.store.spool_shipper import Account, Shipper

TRIES = 60
"""How often in a row a server may fail on something while it takes other writes, before the rest is left for later."""

_PAUSE_SECONDS = 0.2
_BATCH_RECORDS = 1_000


class Shipped(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one run in the spool.

    `stored`: all of it is in the database. `waits`: some of it is not yet, and `reason` says why. `under way`: the process
    that writes it ships it. `deleted`: somebody deleted it from the database, so the spool's part was thrown away.
    """

    run: str
    state: Literal["stored", "waits", "under way", "deleted"]
    shipped: int
    waiting: int
    refused: int
    lost: int
    reason: str = ""


class Shipment(msgspec.Struct, frozen=True, kw_only=True):
    """What was shipped where; `elsewhere` counts the spool's runs that go to other databases."""

    store: str
    spool: str
    runs: list[Shipped]
    elsewhere: dict[str, int]

    @property
    def complete(self) -> bool:
        """Whether nothing waits any more for this database."""
        return not any(run.state == "waits" for run in self.runs)


def ship(uri: str, spool_file: str, progress: Callable[[int, int], None]) -> Shipment:
    """Ship what the spool has for the database at `uri`; `progress` gets (records shipped, records to ship).

    Raise UserError for a mistake, or StoreError if the spool fails.
    """
    if scheme_of(uri) == "sqlite":
        raise UserError(f"{uri}: what goes to SQLite is there at once; name the MongoDB database to ship to")
    from swarm_ext.store.mongo_client import MongoAddress  # noqa: PLC0415  # its driver is an extra

    address = MongoAddress.parse(uri)
    if not Path(spool_file).exists():
        if spool_file != DEFAULT_SPOOL:
            raise UserError(f"there is no spool {spool_file}; give the file that the run named by --spool")
        return Shipment(store=address.shown, spool=spool_file, runs=[], elsewhere={})
    with closing(Spool(spool_file, limit_bytes=DEFAULT_SPOOL_LIMIT_BYTES, must_exist=True)) as spool:
        elsewhere: dict[str, int] = {}
        for run in spool.runs():
            if run.target != address.target:
                elsewhere[run.target] = elsewhere.get(run.target, 0) + 1
        shipped = _ship_all(address, spool, progress)
    return Shipment(store=address.shown, spool=spool_file, runs=shipped, elsewhere=elsewhere)


def _ship_all(address: MongoAddress, spool: Spool, progress: Callable[[int, int], None]) -> list[Shipped]:
    from swarm_ext.store.spool_shipping import shipper_for  # noqa: PLC0415  # its driver is an extra

    found = spool.runs(address.target)
    if not found:
        return []
    under_way = {run.id for run in found if not run.ended and is_alive(spool.path, run.owner)}
    waiting = {run.id: 0 if run.id in under_way else spool.waiting(run) for run in found}
    total = sum(waiting.values())
    shipper, let_go = shipper_for(
        address,
        Spool(str(spool.path), limit_bytes=DEFAULT_SPOOL_LIMIT_BYTES),
        owner="",
        batch_records=_BATCH_RECORDS,
    )
    try:
        reason = _work_off(
            shipper, lambda: progress(min(total, sum(a.shipped for a in shipper.accounts.values())), total)
        )
    finally:
        let_go()
    left = {run.id: run for run in spool.runs(address.target)}
    outcomes = []
    for run in found:
        now = left.get(run.id)
        still = 0 if now is None else spool.waiting(now)
        account = shipper.account(run.id)
        outcomes.append(
            Shipped(
                run=run.id,
                shipped=max(0, waiting[run.id] - still - account.refused),
                waiting=still,
                refused=account.refused,
                lost=account.lost,
                **_state(account, gone=now is None, under_way=run.id in under_way, reason=reason),
            )
        )
    return outcomes


def _work_off(shipper: Shipper, advanced: Callable[[], None]) -> str:
    """Ship until nothing is left to do; return why it ended before, empty if it did not."""
    failures = 0
    while True:
        try:
            if not shipper.step():
                return ""
        except StoreError as error:
            failures += 1
            if failures >= TRIES or not _takes_writes(shipper):
                return str(error)
            time.sleep(_PAUSE_SECONDS)
        else:
            failures = 0
            advanced()


def _takes_writes(shipper: Shipper) -> bool:
    try:
        shipper.store.check_writable()
    except StoreError:
        return False
    return True


def _state(account: Account, *, gone: bool, under_way: bool, reason: str) -> dict[str, Any]:
    if under_way:
        return {"state": "under way"}
    if account.deleted:
        return {"state": "deleted"}
    if gone:
        return {"state": "stored", "reason": account.refusal}
    if account.disagrees:
        reason = "the database counts fewer records than it acknowledged, so all of them stay in the spool"
    return {"state": "waits", "reason": reason}


def lines(shipment: Shipment) -> Sequence[str]:
    """Return what a person reads."""
    found = [_line(run, shipment.store) for run in shipment.runs]
    if not found:
        found.append(f"Nothing in the spool {shipment.spool} waits for {shipment.store}.")
    found += [
        f"{count} run{'s' if count > 1 else ''} in the spool {shipment.spool} wait{'' if count > 1 else 's'} for {target}."
        for target, count in shipment.elsewhere.items()
    ]
    return found


def _line(run: Shipped, store: str) -> str:
    ends = {
        "stored": f"all of it is in {store}",
        "waits": f"{run.waiting:,} wait: {run.reason or 'try again'}",
        "under way": "another process writes it, and ships it itself",
        "deleted": f"somebody deleted it from {store}, so what waited was thrown away",
    }
    words = [f"{run.shipped:,} records shipped", ends[run.state]]
    if run.refused:
        words.append(f"{run.refused:,} can never be stored ({run.reason})")
    if run.lost:
        words.append(
            f"{run.lost:,} are lost: the database does not have them any more, and the spool had no room"
        )
    return f"{run.run}: {'; '.join(words)}"
