"""What lies beneath an error: requests wraps urllib3's errors, which wrap the socket's own; paramiko gathers them."""

from __future__ import annotations

_MOST = 16


def causes(error: BaseException) -> list[BaseException]:
    """Return the error and what it wraps, outermost first; at most about sixteen."""
    found: list[BaseException] = [error]
    for cause in found:  # grows while it is walked
        if len(found) > _MOST:
            break
        each_address = getattr(cause, "errors", None)  # paramiko: {address: error}
        inner = [cause.__cause__, cause.__context__, getattr(cause, "reason", None), *cause.args]
        inner += each_address.values() if isinstance(each_address, dict) else ()
        found += [each for each in inner if isinstance(each, BaseException) and each not in found]
    return found
