"""What a failed request leaves behind: nothing that only the garbage collector would find, which runs rarely under load."""

from __future__ import annotations

import gc
import socket
from typing import TYPE_CHECKING, Any

import gevent
import pytest

from swarm_ext.client.fast_failures import forget_the_way
from tests.client_visit import Visitors
from tests.hostile_server import HostileServer, Peer, answers, answers_once, ok

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.hostile_server import Script

LOOP = b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"
SOON = b"HTTP/1.1 503 Soon\r\nContent-Length: 0\r\n\r\n"


def left_by(visitors: Visitors, **request: Any) -> list[str]:
    """Make requests that fail, and return what is left of them: the kinds of objects."""

    def be_one() -> None:
        with visitors.one() as (client, reports):
            client.get("/", **request)
            assert reports.last["exception"] is not None
            with client.get("/", catch_response=True, **request):
                pass
            assert len(reports.fired) == 2

    return left_behind(be_one, visitors)


def left_behind(be_one: Callable[[], None], visitors: Visitors) -> list[str]:
    be_one()  # what is made once for all is made now
    gc.collect()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        gevent.spawn(be_one).get()
        gc.collect()
        return sorted({type(each).__qualname__ for each in gc.garbage})
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        visitors.sessions.close()


def speaks_no_tls(peer: Peer) -> None:
    peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    peer.is_closed_by_client()


@pytest.mark.parametrize(
    "script",
    [speaks_no_tls, lambda peer: peer._read(), lambda peer: peer.wait()],
    ids=["plain", "eof", "silence"],
)
def test_a_failed_tls_connection_leaves_nothing_to_the_garbage_collector(script: Script) -> None:
    with HostileServer(script) as server:
        secure = server.url.replace("http://", "https://")
        assert left_by(Visitors(secure, connection_timeout=0.2)) == []


@pytest.mark.parametrize("host", ["https://127.0.0.1:1", "https://no-such-host.invalid"])
def test_a_host_that_is_not_there_over_tls_leaves_nothing_either(host: str) -> None:
    assert left_by(Visitors(host)) == []


@pytest.mark.parametrize(
    ("script", "request_options"),
    [
        (lambda peer: peer.request(), {}),
        (answers_once(ok(b"x" * 100)[:-50]), {}),
        (answers_once(b"no HTTP"), {}),
        (lambda peer: peer.wait(), {"timeout": 0.1}),
        (answers(SOON), {}),
        (answers(LOOP), {}),
        (answers(LOOP.replace(b" /", b" http://[::1")), {}),
    ],
    ids=["closed", "cut short", "no http", "too late", "error status", "redirects", "nowhere"],
)
@pytest.mark.parametrize("keep_alive", [False, True])
def test_a_failed_exchange_leaves_nothing_to_the_garbage_collector(
    script: Script, request_options: dict[str, Any], keep_alive: bool
) -> None:
    with HostileServer(script) as server:
        for proxy in ({}, {"proxy_host": "127.0.0.1", "proxy_port": server.port}):
            visitors = Visitors(server.url, keep_alive=keep_alive, **proxy)
            assert left_by(visitors, **request_options) == []


def test_a_tasks_own_timeout_leaves_nothing_to_the_garbage_collector() -> None:
    def be_one() -> None:
        with visitors.one() as (client, reports), gevent.Timeout(0.1, False):
            client.get("/")
        assert reports.fired == []

    with HostileServer(lambda peer: peer.wait()) as server:
        for proxy in ({}, {"proxy_host": "127.0.0.1", "proxy_port": server.port}):
            visitors = Visitors(server.url, **proxy)
            assert left_behind(be_one, visitors) == []


def test_an_address_that_refuses_beside_one_that_does_not_leaves_nothing_and_rests(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with HostileServer(answers(SOON)) as server:
        found = [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, server.port))
            for address in ("127.0.0.1", "127.0.0.9")
        ]
        monkeypatch.setattr("gevent.socket.getaddrinfo", lambda *_, **__: found)
        visitors = Visitors("http://shop.test", proxy_host="proxy.test", proxy_port=3128)
        resolver = visitors.sessions._settings["resolver"]  # type: ignore[attr-defined]
        assert left_by(visitors) == []
        assert [str(address) for address in resolver.addresses("proxy.test", 3128, 1)] == [
            f"127.0.0.1:{server.port}"
        ]


def test_forgetting_the_way_of_a_failure_ends_also_if_that_goes_in_a_circle() -> None:
    first, second = ValueError("first"), ValueError("second")
    first.__context__, second.__cause__ = second, first
    second.__dict__["original"] = second
    forget_the_way(first)
    assert first.__context__ is second.__cause__ is None
