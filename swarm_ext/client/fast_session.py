"""A FastHttpSession that does as the lean client does where theirs would differ to the locustfile's cost."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import gevent
from locust.contrib.fasthttp import FAILURE_EXCEPTIONS, FastHttpSession

from swarm_ext.client import redirects
from swarm_ext.client.body import encoded_body, is_whole
from swarm_ext.client.elsewhere import OfTheUserClass
from swarm_ext.client.failures import RequestError, TooManyRedirectsError
from swarm_ext.client.fast_agent import FastAgent, NotInTimeError
from swarm_ext.client.fast_failures import forget_the_way, of_the_exchange
from swarm_ext.client.fast_response import CaughtFastResponse, NoResponse
from swarm_ext.client.request import (
    as_headers,
    authorization,
    checked_method,
    full_url,
    merged,
    target,
)
from swarm_ext.client.request_options import check_files, checked_timeout, unknown_option
from swarm_ext.web_address import without_credentials

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geventhttpclient.client import HTTPClientPool
    from locust.contrib.fasthttp import FastResponse

    from swarm_ext.client.request import Headers, Target
    from swarm_ext.client.resolver import Resolver


class BoundedFastSession(OfTheUserClass, FastHttpSession):
    """A FastHttpSession that takes `timeout=`, the seconds for the whole of a request, and whose failures are told in words.

    Its arguments are FastHttpSession's with `home`, the user's host, in place of its URL, the `resolver` of its hosts' names, and the `connections` of an agent that is done
    with them, if there are any. `in_flight` is how many requests wait for their response.
    """

    in_flight = 0

    def __init__(
        self,
        *,
        home: Target,
        request_event: Any,
        user: Any,
        insecure: bool,
        ssl_context_factory: Any,
        resolver: Resolver,
        connections: HTTPClientPool | None,
        **shape: Any,
    ) -> None:
        base_url = home.url.rstrip("/")
        super().__init__(base_url, request_event, user, insecure, None, ssl_context_factory, **shape)
        self._home = home
        self.client: FastAgent = FastAgent(
            resolver=resolver,
            connections=connections,
            cookiejar=self.cookiejar,
            ssl_context_factory=ssl_context_factory,
            insecure=insecure,
            **shape,
        )

    def request(  # noqa: PLR0913, PLR0917 - Locust's signature
        self,
        method: str,
        url: str,
        name: str | None = None,
        data: Any = None,
        catch_response: bool = False,  # noqa: FBT001, FBT002 - Locust's signature
        stream: bool = False,  # noqa: FBT001, FBT002
        headers: Mapping[str, Any] | None = None,
        auth: tuple[str | bytes, str | bytes] | None = None,
        json: Any = None,
        allow_redirects: bool = True,  # noqa: FBT001, FBT002
        context: Mapping[str, Any] | None = None,
        *,
        params: Any = None,
        timeout: float | None = None,
        files: Any = None,
        **unknown: Any,
    ) -> Any:
        """Make a request; as FastHttpSession's, and a failed one if it is not complete in time.

        Raise ValueError for a time that is none, TypeError for an option that there is not.
        """
        if unknown:
            raise unknown_option(unknown)
        method = checked_method(method)
        where = target(full_url(self.base_url or "", url), params)
        all_headers = self._authorized(where, auth, headers or {})
        shown = url if where.authorization is None else without_credentials(url)
        if files:
            check_files(files, data, json)
        elif is_whole(data):
            data, json = encoded_body(data, json, all_headers), None
        options: dict[str, Any] = {"files": files, "whole": not stream}
        if not allow_redirects:
            options["max_redirects"] = 0  # theirs is a setting of the session, which its other requests share
        if timeout is not None:
            options["timeout"] = checked_timeout(timeout)
        response: Any = super().request(
            method, where.url, name or self.request_name or shown, data, catch_response, stream,
            all_headers, None, json, context=dict(context or {}), **options,
        )  # fmt: skip
        if catch_response:
            meta = response.request_meta
            response = CaughtFastResponse(meta["response"], self.request_event, meta)
        forget_the_way(getattr(response, "error", None))
        return response

    def close(self) -> None:
        """Close what connections it has. A request after this opens another."""
        self.client.close()

    def _authorized(self, where: Target, auth: Any, headers: Mapping[str, Any]) -> Headers:
        """Return headers with the credentials of a request: those given, the URL's, or on the user's host the host's."""
        if auth:
            return merged(as_headers(headers), {"Authorization": authorization(auth)})
        own = where.authorization
        if own is None and where.origin == self._home.origin:
            own = self._home.authorization
        return merged({"Authorization": own} if own else {}, headers)

    def _send_request_safe_mode(
        self, method: str, url: str, *, timeout: float | None = None, **options: Any
    ) -> FastResponse:
        began = time.perf_counter()
        bound = None  # of the exchange alone: who hears of the request takes what time it likes
        if timeout is not None:
            bound = gevent.Timeout.start_new(timeout, NotInTimeError(f"not complete within {timeout:g} s"))
        try:
            return self.exchange(method, url, **options)
        except RequestError as error:
            forget_the_way(error)
            response = NoResponse(
                self.client._make_request(url, method=method),  # noqa: SLF001
                error,
            )
            response._elapsed, response._history = time.perf_counter() - began, []  # noqa: SLF001
            return response
        finally:
            if bound is not None:
                bound.close()

    def exchange(self, method: str, url: str, *, whole: bool = True, **options: Any) -> FastResponse:
        """Make a request, unreported, and return the response; its `error` is set if its status is one.

        `whole`: its body is read, and decoded. `options` are those of geventhttpclient's UserAgent.urlopen. Raise
        RequestError if there is no such response.
        """
        self.in_flight += 1
        try:
            return self._exchanged(method, url, whole=whole, **options)
        finally:
            self.in_flight -= 1

    def _exchanged(self, method: str, url: str, *, whole: bool, **options: Any) -> FastResponse:
        began = time.perf_counter()
        try:
            response: Any = self.client.urlopen(url, method=method, **options)
        except gevent.Timeout:
            raise  # somebody else's, who waits for more than this
        except FAILURE_EXCEPTIONS as error:
            response = getattr(error, "response", None)  # a status that is a failure comes as an exception
            if response is None:
                failure = of_the_exchange(error, self.client.network_timeout)
                forget_the_way(error)
                raise failure from None
            del error.__dict__["response"]  # they would refer to each other
            response.error = error
        if self.client.max_redirects == 0 and "max_redirects" not in options and _redirects(response):
            response.release()
            raise TooManyRedirectsError("more than 0 redirects")  # theirs takes 0 for not to follow any
        if whole:
            response.content  # noqa: B018 - it is read here, where a failure is one of the request
            response._elapsed = time.perf_counter() - began  # noqa: SLF001
        found: FastResponse = response
        return found


def _redirects(response: FastResponse) -> bool:
    return response.status_code in redirects.STATUSES and bool(
        response.headers and response.headers.get("location")
    )
