"""`self.client` of one arrival: makes requests, follows redirects, keeps cookies, and reports each request.

It has the methods of Locust's clients, and reports as they do. What travels otherwise than by plain HTTP, or in pieces,
it leaves to Locust's FastHttpSession.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from http.cookiejar import CookieJar
from typing import TYPE_CHECKING, Any

import gevent
from geventhttpclient.header import Headers

from swarm_ext.client import notice, redirects
from swarm_ext.client.body import encoded_body, is_whole
from swarm_ext.client.cookies import cookies_for, keep_cookies
from swarm_ext.client.elsewhere import Elsewhere, OfTheUserClass
from swarm_ext.client.failures import ConnectionLostError, RequestError, TimedOutError, TooManyRedirectsError
from swarm_ext.client.fallback import fetch
from swarm_ext.client.idle import IdleConnections
from swarm_ext.client.request import (
    IDEMPOTENT,
    Request,
    as_headers,
    authorization,
    checked_method,
    target,
)
from swarm_ext.client.request_options import checked_timeout, unknown_option
from swarm_ext.client.response import CaughtResponse, Response, verify_status
from swarm_ext.web_address import without_credentials

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from locust import User

    from swarm_ext.client.fast_session import BoundedFastSession
    from swarm_ext.client.listener import RequestListener
    from swarm_ext.client.site import Site


class Session(OfTheUserClass):
    """One visitor's requests: its cookies, and the name that its requests have at the moment, if it is not their URL."""

    client = Elsewhere(
        "there is no geventhttpclient behind it over plain HTTP: the user class has the settings"
    )
    auth_header = Elsewhere(
        "give default_headers = {'Authorization': …} to the user class, or headers= to the request"
    )

    request_name: str | None = None
    _cookies: CookieJar | None = None
    _fast: BoundedFastSession | None = None

    def __init__(self, site: Site, user: User | None, listener: RequestListener) -> None:
        self.request_event = listener
        self.user = user
        self._site = site
        self._idle = IdleConnections() if site.idle is None else site.idle

    @property
    def base_url(self) -> str:
        """The host's URL, without credentials."""
        return self._site.base_url

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
        """Make a request, report it by Locust's `request` event, and return the response, also if it failed.

        `url` is a path on the user's host, or absolute. `name` stands in Locust's tables instead of it. `params` are added
        to the query; `data` is the body: str, bytes, or a mapping or list of pairs sent as a form; `json` is sent as JSON.
        `timeout` bounds the whole request, redirects included, in seconds. With `catch_response` the response is for a
        with-block, which judges it by `success` or `failure`, and is reported when that ends.

        `stream`, `files`, and `data` from a file or an iterator are FastHttpSession's.
        Raise ValueError for what cannot be a request: a line end in a header, a URL without a host; TypeError for an option
        that there is not.
        """
        if unknown:
            raise unknown_option(unknown)
        if stream or files is not None or not is_whole(data):
            in_pieces = {"stream": stream, "data": data, "json": json, "params": params}
            if files is not None:
                in_pieces["files"] = files
            if timeout is not None:
                in_pieces["timeout"] = checked_timeout(timeout)
            return self._by_locust(notice.IN_PIECES).request(
                method, url, name, catch_response=catch_response, headers=as_headers(headers or {}), auth=auth,
                allow_redirects=allow_redirects, context=dict(context or {}), **in_pieces,
            )  # fmt: skip
        request = self._request(method, url, headers, params, data, json, auth)
        told = self._context(context)  # before there is a request that could go untold
        started_at = time.time()
        began = time.perf_counter()
        response = self._response(request, allow_redirects, timeout)
        meta: dict[str, Any] = {
            "request_type": method,
            "name": name
            or self.request_name
            or (url if request.target.authorization is None else without_credentials(url)),
            "context": told,
            "response": response,
            "exception": response.error,
            "start_time": started_at,
            "url": request.url,
            "response_length": len(response.content or b""),
            "response_time": (time.perf_counter() - began) * 1000,
        }
        if response.seconds is None:  # there is no response: it is the time until that was known
            response.seconds = meta["response_time"] / 1000
        if catch_response:
            return CaughtResponse(response, self.request_event.fire, meta)
        self.request_event.fire(**meta)
        return response

    def _context(self, context: Mapping[str, Any] | None) -> dict[str, Any]:
        own = self.user.context() if self.user is not None else {}
        return {**own, **context} if context else own

    def _request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, Any] | None,
        params: Any,
        data: Any,
        json: Any,
        auth: Any,
    ) -> Request:
        """Return the request, ready to be sent; one without anything of its own is made only once."""
        site = self._site
        if not (headers or params or data or auth or self._cookies) and json is None:
            return site.plain_request(method, url)
        where = target(site.absolute(url), params)
        all_headers = site.headers_for(where, headers or {})
        if auth:
            all_headers["Authorization"] = authorization(auth)
        body = encoded_body(data, json, all_headers)
        if self._cookies is not None and (cookies := cookies_for(self._cookies, where.url)):
            all_headers.setdefault("Cookie", cookies)
        return Request(checked_method(method), where, all_headers, body)

    def _response(self, request: Request, allow_redirects: bool, timeout: Any) -> Response:  # noqa: FBT001
        """Return the response, or one that says what went wrong."""
        if timeout is None:
            return self._followed(request, allow_redirects)
        timer = gevent.Timeout.start_new(checked_timeout(timeout))
        try:
            return self._followed(request, allow_redirects)
        except gevent.Timeout as time_is_up:
            if time_is_up is not timer:
                raise
            time_is_up.__traceback__ = time_is_up.__context__ = (
                None  # they lead back here, where it is `timer`
            )
            return _failed(request, TimedOutError(f"not complete within {timeout:g} s"), [])
        finally:
            timer.close()

    def _followed(self, request: Request, allow_redirects: bool) -> Response:  # noqa: FBT001
        """Make a request, and those that it is redirected to."""
        history: list[Response] = []
        while True:
            try:
                response = self._exchanged(request)
                response.history = history
                location = response.fields.get(b"location")
                if not allow_redirects or not location or response.status_code not in redirects.STATUSES:
                    verify_status(response)
                    return response
                if len(history) == self._site.max_redirects:
                    raise TooManyRedirectsError(f"more than {self._site.max_redirects} redirects")
                request = redirects.following(request, response.status_code, location)
            except RequestError as failure:
                return _failed(request, failure, history)
            history = [*history, response]
            if self._cookies is not None:
                request = request.with_cookies(cookies_for(self._cookies, request.url))

    def _exchanged(self, request: Request) -> Response:
        """Send one request, again if the user class asks for that, and keep the cookies of the response."""
        retries = 0
        while True:
            try:
                if request.is_plain_http:
                    response = self._site.transport.exchange(request, self._idle)
                else:
                    response = fetch(self._by_locust(notice.OVER_TLS), request)
                break
            except (ConnectionLostError, TimedOutError):
                if retries == self._site.max_retries or request.method not in IDEMPOTENT:
                    raise
                retries += 1
        if b"set-cookie" in response.fields:
            keep_cookies(self.cookiejar, request.url, response.headers or Headers())
        return response

    @property
    def cookiejar(self) -> CookieJar:
        """The cookies of this visitor."""
        if self._cookies is None:
            self._cookies = CookieJar()
        return self._cookies

    @contextmanager
    def rename_request(self, name: str) -> Iterator[None]:
        """Let the requests of a with-block have one name in Locust's tables."""
        self.request_name = name
        try:
            yield
        finally:
            self.request_name = None

    def _by_locust(self, reason: str) -> BoundedFastSession:
        """Return this visitor's FastHttpSession, for what is not done here, and say so once; it shares the cookies."""
        notice.made_by_locust(reason)
        if self._fast is None:
            self._fast = self._site.fast_sessions.acquire(self.user, self.request_event)
            self._fast.cookiejar = self._fast.client.cookiejar = self.cookiejar
        self._fast.request_name = self.request_name
        return self._fast

    def iter_lines(self, url: str, method: str = "GET", **options: Any) -> Iterator[str]:
        """Yield the lines of a response as they come; by FastHttpSession."""
        return self._by_locust(notice.IN_PIECES).iter_lines(url, method, **options)

    def get(self, url: str, **options: Any) -> Any:
        """Make a GET request; as `request`."""
        return self.request("GET", url, **options)

    def head(self, url: str, **options: Any) -> Any:
        """Make a HEAD request; as `request`."""
        return self.request("HEAD", url, **options)

    def options(self, url: str, **options: Any) -> Any:
        """Make an OPTIONS request; as `request`."""
        return self.request("OPTIONS", url, **options)

    def delete(self, url: str, **options: Any) -> Any:
        """Make a DELETE request; as `request`."""
        return self.request("DELETE", url, **options)

    def post(self, url: str, data: Any = None, json: Any = None, **options: Any) -> Any:
        """Make a POST request; as `request`."""
        return self.request("POST", url, data=data, json=json, **options)

    def put(self, url: str, data: Any = None, **options: Any) -> Any:
        """Make a PUT request; as `request`."""
        return self.request("PUT", url, data=data, **options)

    def patch(self, url: str, data: Any = None, **options: Any) -> Any:
        """Make a PATCH request; as `request`."""
        return self.request("PATCH", url, data=data, **options)

    def close(self) -> None:
        """End the visit: close what connections it has of its own. A request after this opens another."""
        if self._site.idle is None:
            self._idle.close()
        if self._fast is not None:
            self._release_fast()

    def retire(self) -> None:
        """End the visit for good: a request that outlives it closes its connection when it is done."""
        if self._site.idle is None:
            self._idle.retire()
        if self._fast is not None:
            self._release_fast()

    def retire_abandoned(self) -> None:
        """End a visit that was cut off: what a connection of FastHttpSession's would carry next is unknown."""
        if self._fast is not None:
            self._site.fast_sessions.discard(self._fast)
            self._fast = None
        self.retire()

    def _release_fast(self) -> None:
        assert self._fast is not None  # noqa: S101 - for the type checker; the callers looked
        self._site.fast_sessions.release(self._fast)
        self._fast = None


def _failed(request: Request, failure: RequestError, history: list[Response]) -> Response:
    failure.__traceback__ = failure.__context__ = (
        None  # they hold on to the whole visit, for the garbage collector
    )
    response = Response(request)
    response.error = failure
    response.history = history
    return response
