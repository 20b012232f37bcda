"""How large a body may get: one that has no end, or that a few bytes stand for, would take all of a machine's memory."""

from __future__ import annotations

from swarm_ext.client.failures import BadResponseError

MAX_BODY_BYTES = 256 * 1024 * 1024
"""The most of a body, as it is sent and also when decoded. It takes up to three times the memory while it is made whole."""


def too_large(at_most: int) -> BadResponseError:
    """Return the failure of a response with more of a body, as it is sent, than `at_most` bytes."""
    return BadResponseError(f"the body is more than {at_most / 2**20:g} MiB: stream=True takes it in pieces")
