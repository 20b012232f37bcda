"""What failures of Locust's own client are called: the words of `failures.py` for what geventhttpclient and TLS raise."""

from __future__ import annotations

import errno
import socket
import ssl

from geventhttpclient.response import HTTPConnectionClosed, HTTPParseError
from geventhttpclient.useragent import RetriesExceeded

from swarm_ext.client.address import Address
from swarm_ext.client.failures import (
    BadResponseError,
    ConnectionLostError,
    NotConnectedError,
    RequestError,
    TimedOutError,
    lost,
    not_connected,
)

_OTHER_NAME = frozenset({62, 64})
"""OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH."""
_NO_CERTIFICATE_OF_OURS = "TLSV13_ALERT_CERTIFICATE_REQUIRED"
"""What a server says behind the handshake, in which TLS 1.3 does not wait for its consent (RFC 8446, section 6.2)."""
_CLOSED_EARLY = frozenset(
    {
        "connection closed before end of the headers",
        "connection closed after interim response",
        "Incomplete response.",
        "Invalid EOF state",
    }
)
"""What geventhttpclient and llhttp say when the server closes before the end."""


def while_connecting(
    error: OSError | RuntimeError, peer: tuple[str, int], host: tuple[str, int], seconds: float | None
) -> RequestError:
    """Return the failure of a connection to `peer`, which is `host` or a proxy before it, within `seconds`."""
    if isinstance(error, RequestError):
        return error
    address = _address(peer)
    if _ran_out(seconds, error):
        shaking_hands = "handshake" in str(error)
        what = f"no TLS handshake with {_address(host)}" if shaking_hands else f"no connection to {address}"
        return TimedOutError(f"{what} within {seconds:g} s")
    if isinstance(error, socket.gaierror):
        return NotConnectedError(f"the name {peer[0]!r} cannot be resolved: {error.strerror or error}")
    if isinstance(error, ssl.SSLError):
        return NotConnectedError(_without_tls(error, _address(host)))
    if isinstance(error, OSError):
        return not_connected(error, address)
    return NotConnectedError(f"no connection through {address}: {error}")


def _address(place: tuple[str, int]) -> Address:
    return Address(socket.AF_INET6 if ":" in place[0] else socket.AF_INET, place)


def _without_tls(error: ssl.SSLError, host: Address) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in _OTHER_NAME:
            return (
                f"the certificate of {host} is not for that name: ask for one that it has, "
                "or set insecure = True on the user class"
            )
        return (
            f"the certificate of {host} is not trusted ({error.verify_message}): trust it by ssl_context_factory, "
            "or set insecure = True on the user class"
        )
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return f"closed by {host} in the middle of the TLS handshake"
    if error.reason == "WRONG_VERSION_NUMBER":
        return f"no TLS with {host}: what answers there speaks something else, plain http:// perhaps"
    return f"no TLS with {host}: {error.reason or error}"


def of_the_exchange(error: BaseException, seconds: float | None) -> RequestError:
    """Return the failure of a request on a connection; `seconds` bounds each silence of the server."""
    if isinstance(error, RequestError):
        return error
    if isinstance(error, RetriesExceeded):
        return of_the_exchange(error.__dict__["original"], seconds)
    if _ran_out(seconds, error):
        writing = "write operation" in str(error)
        return TimedOutError(
            f"{'the request was not taken' if writing else 'no response'} within {seconds:g} s"
        )
    if isinstance(error, HTTPParseError):
        early = _said(error) in _CLOSED_EARLY
        if early or isinstance(error, HTTPConnectionClosed):
            return lost(None, "in the middle of the response's headers" if early else "without a response")
        return _invalid(error)
    return (
        _lost(error, "without a response")
        if isinstance(error, OSError)
        else RequestError(str(getattr(error, "text", error)))
    )


def of_the_body(
    error: OSError | HTTPParseError, received: int, announced: object, seconds: float | None
) -> RequestError:
    """Return the failure of a response behind its headers, of whose body `received` bytes came."""
    if isinstance(error, RequestError):
        return error
    progress = (
        f"after {received} bytes of a body without its end"
        if announced is None
        else f"after {received} of {announced} bytes"
    )
    if _ran_out(seconds, error):
        return TimedOutError(f"nothing more within {seconds:g} s, {progress}")
    if isinstance(error, OSError):
        return _lost(error, progress)
    return lost(None, progress) if _said(error) in _CLOSED_EARLY else _invalid(error)


def _lost(error: OSError, progress: str) -> ConnectionLostError:
    """Return the failure of a connection that ended early; TLS has words of its own for that."""
    if not isinstance(error, ssl.SSLError):
        return lost(error, progress)
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return lost(None, progress)
    if error.reason == _NO_CERTIFICATE_OF_OURS:
        return ConnectionLostError(
            f"closed {progress}: the server asks for a certificate of the client's, which ssl_context_factory can load"
        )
    return ConnectionLostError(f"connection lost {progress}: {error.reason or error}")


def forget_the_way(error: BaseException | None) -> None:
    """Drop what a failure came through: tracebacks hold frames, and these the failure, for the garbage collector.

    That runs rarely during a load, and a site that is down makes thousands of failures.
    """
    way = [] if error is None else [error]
    while way:
        each = way.pop()
        earlier = (each.__context__, each.__cause__, each.__dict__.pop("original", None))
        way += [before for before in earlier if before is not None]
        each.__traceback__ = each.__context__ = each.__cause__ = None


def _ran_out(seconds: float | None, error: BaseException) -> bool:
    """Return whether it was `seconds`, if that is a limit, that ran out: the system has limits of its own."""
    return seconds is not None and isinstance(error, TimeoutError) and error.errno != errno.ETIMEDOUT


def _said(error: HTTPParseError) -> str:
    return str(error.args[0]) if error.args else ""


def _invalid(error: HTTPParseError) -> BadResponseError:
    return BadResponseError(f"the response is not valid HTTP: {_said(error)}")
