"""A FastHttpSession that does as the lean client does where theirs would differ to the locustfile's cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gevent
from geventhttpclient.client import HTTPClientPool
from locust.contrib.fasthttp import FastHttpSession

from swarm_ext.client.failures import RequestError

if TYPE_CHECKING:
    from geventhttpclient.client import HTTPClient


class _Clients(HTTPClientPool):
    """Connections by host, on each of which a request is made again once, if the server closed it without an answer."""

    def get_client(self, url: Any) -> HTTPClient:
        """Return the client of a host. It makes a request again as often as its pool is large, and once more."""
        client = super().get_client(url)
        client._connection_pool.size = 0  # noqa: SLF001 - its room for connections is set already
        return client


class BoundedFastSession(FastHttpSession):
    """A FastHttpSession that takes `timeout=`, the seconds for the whole of a request, as the lean client does."""

    def __init__(self, *, concurrency: int, **shape: Any) -> None:
        super().__init__(concurrency=concurrency, **shape)
        arguments = self.client.clientpool.client_args
        self.client.clientpool = _Clients(**arguments)

    def request(self, *arguments: Any, timeout: float | None = None, **options: Any) -> Any:
        """Make a request; as FastHttpSession's, and a failed one if it is not complete in time."""
        if timeout is None:
            return super().request(*arguments, **options)
        # no Timeout, which geventhttpclient would try again
        bound = gevent.Timeout.start_new(timeout, RequestError(f"not complete within {timeout:g} s"))
        try:
            return super().request(*arguments, **options)
        finally:
            bound.close()
