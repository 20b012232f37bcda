"""Names for runs: readable, sortable by start, unlikely to meet. Pure but for its four random digits."""

from __future__ import annotations

import secrets
from datetime import UTC
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


def new_run_id(start: datetime) -> str:
    """Return a new id for a run that starts at the aware `start`, like `20261122-014705-7f3a`: UTC, then chance.

    Ids sort as their runs began, to the second; two runs of the same second get the same id once in 65,536 times.
    Raises ValueError when `start` has no time zone.
    """
    if start.tzinfo is None:
        raise ValueError(f"start is {start.isoformat()}, without a time zone; use datetime.now(UTC)")
    return f"{start.astimezone(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
