"""Attributes of a user class that no request could be made with are refused once, before any arrival."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.client_visit import Visitors, visit
from tests.hostile_server import HostileServer, Peer, ok


@pytest.mark.parametrize("url", ["http://shop.test", "https://shop.test"])
@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("network_timeout", "5", "network_timeout is '5': give seconds above 0, or None for no limit"),
        ("network_timeout", 0, "network_timeout is 0: "),
        ("connection_timeout", float("inf"), "connection_timeout is inf: "),
        ("max_retries", None, "max_retries is None: give a whole number of 0 or more"),
        ("concurrency", 0, "concurrency is 0: give a whole number of 1 or more"),
        ("headers", {"X A": "b"}, "default_headers: the header name 'X A' is not one"),
        ("headers", {"X-A": "b\r\nX-B: c"}, "default_headers: the value "),
        ("headers", {3: "b"}, "default_headers: the header name 3 "),
        ("headers", "X-A: b", "default_headers is 'X-A: b': give a mapping"),
        ("proxy_host", "proxy.test", "proxy_host is 'proxy.test' and proxy_port None: give both"),
    ],
)
def test_what_no_request_could_be_made_with_is_refused(
    url: str, setting: str, value: Any, words: str
) -> None:
    with pytest.raises(ValueError, match="^" + re.escape(words)) as refused:
        Visitors(url, **{setting: value})
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("proxied", [False, True])
def test_no_limit_is_a_limit_too(proxied: bool) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.wait(0.1)
        peer.send(ok())

    with HostileServer(script) as server:
        proxy = {"proxy_host": "127.0.0.1", "proxy_port": server.port} if proxied else {}
        with visit(server.url, network_timeout=None, connection_timeout=None, **proxy) as (client, reports):
            assert client.get("/").text == "ok"
            assert reports.last["exception"] is None
