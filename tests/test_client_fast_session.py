"""Where Locust's own client does as the lean one: through a proxy, over TLS, and for bodies in pieces."""

from __future__ import annotations

import gevent
import pytest

from tests.client_visit import visit
from tests.hostile_server import HostileServer, Peer, ok


@pytest.mark.parametrize("keep_alive", [False, True])
def test_requests_of_one_arrival_are_in_flight_at_the_same_time(keep_alive: bool) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        if len(server.requests) == 4:
            all_there.set()
        assert all_there.wait(20)
        peer.send(ok())

    all_there = gevent.event.Event()
    with (
        HostileServer(script) as server,
        visit("http://shop.test", keep_alive=keep_alive, proxy_host="127.0.0.1", proxy_port=server.port) as (
            client,
            reports,
        ),
    ):
        getting = [gevent.spawn(client.get, "/") for _ in range(4)]
        gevent.joinall(getting, timeout=20, raise_error=True)
        assert [report["exception"] for report in reports.fired] == [None] * 4


def test_a_stream_that_is_not_read_does_not_hold_up_the_next() -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(ok(b"x" * 100)[:-50])
        peer.is_closed_by_client()

    with HostileServer(script) as server, visit(server.url, network_timeout=5) as (client, reports):
        unread = [client.get("/stream", stream=True, timeout=5) for _ in range(2)]
        assert [report["exception"] for report in reports.fired] == [None, None]
        assert [response.status_code for response in unread] == [200, 200]


@pytest.mark.parametrize(("method", "times"), [("GET", 2), ("POST", 1)])
def test_a_request_without_an_answer_is_made_again_once_if_that_is_safe(method: str, times: int) -> None:
    with (
        HostileServer(lambda peer: peer.request()) as server,
        visit("http://shop.test", proxy_host="127.0.0.1", proxy_port=server.port) as (client, reports),
    ):
        client.request(method, "/")
        assert reports.last["exception"] is not None
    assert len(server.requests) == times
