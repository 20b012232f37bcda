"""What a failed request is called, in words for a person. They stand as they are in Locust's table of failures.

All of them are OSErrors, as those of the standard library and of requests are: a task that catches those catches these.
"""

from __future__ import annotations

import errno
import resource
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from swarm_ext.client.address import Address


class RequestError(OSError):
    """A request without a whole and valid response. Its text is one line."""

    def __repr__(self) -> str:
        return str(self)


class NotConnectedError(RequestError, ConnectionError):
    """No connection could be made: nothing was sent."""


class ConnectionLostError(RequestError, ConnectionError):
    """The connection was closed or reset before the response was complete."""


class TimedOutError(RequestError, TimeoutError):
    """Something took longer than it may."""


class BadResponseError(RequestError):
    """What came is no HTTP response that this client understands."""


class TooManyRedirectsError(RequestError):
    """Redirects led to redirects for too long."""


_REFUSED_BY_THE_SYSTEM = {
    errno.EADDRNOTAVAIL: (
        "out of local ports towards {address}: each closed connection may hold one for a minute; "
        "use --keep-alive, widen net.ipv4.ip_local_port_range, or generate from more machines"
    ),
    errno.EMFILE: (
        "out of file descriptors (this process may have {descriptors}): "
        "raise the limit with `ulimit -n`, or lower --max-in-flight"
    ),
    errno.ENFILE: "the machine is out of file descriptors: raise fs.file-max, or lower --max-in-flight",
    errno.ENOBUFS: "out of memory for sockets: lower --max-in-flight, or generate from more machines",
}
"""What this machine could not give; the remedy is here, and the server has no part in it."""

_UNREACHED = {
    errno.ECONNREFUSED: "connection refused by {address}",
    errno.EHOSTUNREACH: "no route to {address}",
    errno.ENETUNREACH: "no route to {address}",
    errno.ECONNRESET: "connection reset by {address} while connecting",
    errno.ETIMEDOUT: "no connection to {address}: the system gave up",
    errno.EACCES: "connecting to {address} is forbidden on this machine",
    errno.EPERM: "connecting to {address} is forbidden on this machine",
}


def _lacks_source(address: Address) -> bool:
    """Return whether this machine has no address of its own to reach another one from; no port is taken to find out."""
    try:
        with socket.socket(address.family, socket.SOCK_DGRAM) as probe:
            probe.connect(address.sockaddr)
    except OSError as error:
        return error.errno == errno.EADDRNOTAVAIL
    return False


def is_shortage(error: OSError) -> bool:
    """Return whether it is this machine that lacks something, so that another address would not help."""
    return error.errno in _REFUSED_BY_THE_SYSTEM


def not_connected(error: OSError, address: Address) -> NotConnectedError:
    """Return the failure of a connection attempt."""
    if error.errno == errno.EADDRNOTAVAIL and _lacks_source(address):
        failure = NotConnectedError(
            f"no route to {address}: this machine has no address of that kind (is IPv6 off?)"
        )
        failure.errno = errno.ENETUNREACH
        return failure
    template = _REFUSED_BY_THE_SYSTEM.get(error.errno or 0) or _UNREACHED.get(error.errno or 0)
    template = template or f"no connection to {{address}}: {error.strerror or error}"
    descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    failure = NotConnectedError(template.format(address=address, descriptors=descriptors))
    failure.errno = error.errno
    return failure


def lost(error: OSError | None, progress: str) -> ConnectionLostError:
    """Return the failure of a connection that ended early; `progress` is how far things had come. None: it was closed."""
    if error is None:
        return ConnectionLostError(f"closed {progress}")
    if error.errno in (errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED):
        return ConnectionLostError(f"connection reset {progress}")
    return ConnectionLostError(f"connection lost {progress}: {error.strerror or error}")
