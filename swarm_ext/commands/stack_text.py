"""A stack as text for terminals. Pure. Times are UTC."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

from swarm_ext.commands.table import aligned

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from swarm_ext.stack.overview import Overview

_NOTHING = "-"


def stack_text(seen: Overview) -> Iterator[str]:
    """Yield the tables of nodes, services, tasks and addresses, each below its heading."""
    yield from _table(
        ("NODE", "ADDRESS", "ROLE", "STATE", "CORES"),
        [(n.name, n.address, n.role, n.state, f"{n.cores:g}" if n.cores else _NOTHING) for n in seen.nodes],
        right=4,
    )
    yield ""
    yield from _table(
        ("SERVICE", "MODE", "RUNNING", "UPDATE", "IMAGE"),
        [(s.name, s.mode, f"{s.running}/{s.desired}", s.update or _NOTHING, s.image) for s in seen.services],
        right=2,
    )
    yield ""
    yield from _table(
        ("TASK", "NODE", "STATE", "SINCE (UTC)", "ERROR"),
        [
            (
                f"{t.service}.{t.slot}" if t.slot else t.service,
                t.node or _NOTHING,
                t.state,
                f"{t.since.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
                t.error or _NOTHING,
            )
            for t in seen.tasks
        ],
    )
    if seen.addresses:
        yield ""
        yield from _table(
            ("SERVICE", "ON", "ADDRESS"),
            [(a.service, a.node or "every node", a.url) for a in seen.addresses],
        )


def _table(
    heading: Sequence[str], rows: Sequence[Sequence[str]], *, right: int | None = None
) -> Iterator[str]:
    return aligned([heading, *rows], right=() if right is None else (right,))
