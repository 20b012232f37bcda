"""The service labels that a stack file asks for autoscaling with. They stand under `deploy.labels`. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

ENABLED_LABEL = "swarm.autoscaler"


def is_enabled(labels: Mapping[str, str]) -> bool:
    """Return whether a service's labels ask for it to be scaled: `swarm.autoscaler=true`, in whatever case."""
    return labels.get(ENABLED_LABEL, "").strip().lower() == "true"
