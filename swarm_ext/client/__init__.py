"""The HTTP client of arrivals: what `self.client` is in a task.

For an `http://` host it is a lean client of our own, a `Session` for each arrival. Follow one request through it:
`session.py` makes it (with `request.py` and `site.py`), `transport.py` sends it and receives the response (with
`connection.py` and `reader.py`), `redirects.py` says what may follow, and `response.py` is what the task gets, and what
Locust's `request` event is fired with. For `https://` and through a proxy it is Locust's FastHttpSession, made by
`fallback.py`; what it does otherwise than Locust's is in `fast_session.py`. `shape.py` has what a user class may ask for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from swarm_ext.client import notice, shape
from swarm_ext.client.fallback import FastSessions
from swarm_ext.client.lean_sessions import LeanSessions
from swarm_ext.client.listener import RequestListener
from swarm_ext.client.response import Response
from swarm_ext.client.session import Session

if TYPE_CHECKING:
    from collections.abc import Mapping

    from locust import User

__all__ = ["RequestListener", "Response", "Session", "Sessions", "header_of", "sessions"]


class Sessions(Protocol):
    """Gives each arrival of a user class its session, and takes it back."""

    def acquire(self, user: User | None, listener: RequestListener) -> Any:
        """Return a session that no other arrival is using; it tells `listener` of its requests."""
        ...

    def release(self, session: Any) -> None:
        """Take a session back when its arrival has ended."""
        ...

    def discard(self, session: Any) -> None:
        """Take back a session whose arrival was cut off."""
        ...

    def close(self) -> None:
        """Close what is idle."""
        ...


def sessions(base_url: str, *, keep_alive: bool, settings: Mapping[str, Any]) -> Sessions:
    """Return the sessions for a host: lean ones if it speaks plain HTTP, else Locust's, and say so once.

    `settings` are those of FastHttpSession (network_timeout, max_redirects, …), times in seconds. Raise ValueError for a
    setting or a host that no request could be made with.
    """
    shape.check(settings)
    if settings["proxy_host"]:
        reason = notice.BY_PROXY
    elif base_url.lower().startswith("https://"):
        reason = notice.OVER_TLS
    else:
        return LeanSessions(base_url, keep_alive=keep_alive, settings=settings)
    notice.made_by_locust(reason)
    return FastSessions(base_url, keep_alive=keep_alive, settings=settings)


def header_of(response: Any, lower_cased: bytes) -> str | None:
    """Return one header of whatever a client took for a response; cheap enough to be asked of each one."""
    if isinstance(response, Response):
        value = response.fields.get(lower_cased)
        return None if value is None else value.decode("latin-1")
    headers = getattr(response, "headers", None)
    text = headers.get(lower_cased.decode()) if headers else None
    return None if text is None else str(text)
