"""Which nodes a command without load samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swarm_ext.errors import UserError
from swarm_ext.sampler import static_nodes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from swarm_ext.model import Node
    from swarm_ext.swarm import Swarm


def nodes_to_sample(urls: Sequence[str] | None, swarm: Swarm | None) -> Callable[[], Sequence[Node]]:
    """Return what names the nodes: the cAdvisors at `urls`, else the swarm's. Raise UserError where there is neither."""
    if urls is not None:
        fixed = static_nodes(urls)
        return lambda: fixed
    if swarm is None:
        raise UserError("--swarm none knows no nodes: name their cAdvisors, as in --cadvisor http://node1:70")
    return swarm.nodes
