"""Names and their addresses: looked up once for all, used in turn, and followed when they change."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import gevent
import pytest

from swarm_ext.client import resolver
from swarm_ext.client.request import target
from tests.client_visit import visit
from tests.hostile_server import HostileServer, Peer, answers, ok

if TYPE_CHECKING:
    from collections.abc import Iterator


def until(condition: Any) -> None:
    with gevent.Timeout(20):
        while not condition():
            gevent.sleep(0.01)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, list[str]]]:
    """A table of names that is looked up in the place of the DNS. `asked` has what was."""
    table: dict[str, list[str]] = {"asked": []}

    def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
        table["asked"].append(host)
        gevent.sleep(0.01)
        if host not in table:
            raise socket.gaierror(-2, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in table[host]]

    monkeypatch.setattr("gevent.socket.getaddrinfo", getaddrinfo)
    return table


@pytest.fixture
def site(names: dict[str, list[str]]) -> Iterator[tuple[str, list[str]]]:
    """A site with three addresses of which the second refuses; and the addresses that got requests."""
    port = 0
    got: list[str] = []
    servers = []
    for address in ("127.0.0.1", "127.0.0.3"):

        def script(peer: Peer, address: str = address) -> None:
            peer.request()
            got.append(address)
            peer.send(ok())

        listener = gevent.socket.socket()
        listener.bind((address, port))
        listener.listen(128)
        port = listener.getsockname()[1]
        server = HostileServer(script)
        server._server.stop()
        from gevent.server import StreamServer

        server._server = StreamServer(listener, server._handle)
        servers.append(server)
    names["shop.test"] = ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
    with servers[0], servers[1]:
        yield f"http://shop.test:{port}", got


def test_the_addresses_of_a_name_are_used_in_turn_and_one_that_refuses_rests(
    site: tuple[str, list[str]], names: dict[str, list[str]]
) -> None:
    url, got = site
    with visit(url) as (client, reports):
        for _ in range(21):
            client.get("/")
            assert reports.last["exception"] is None
    assert {got.count("127.0.0.1"), got.count("127.0.0.3")} <= {10, 11}
    assert names["asked"] == ["shop.test"]


def test_an_address_that_this_machine_has_no_sockets_for_is_passed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with HostileServer(answers(ok())) as server:
        found = [(253, 1, 6, "", ("x", 1)), (socket.AF_INET, 1, 6, "", ("127.0.0.1", server.port))]
        monkeypatch.setattr("gevent.socket.getaddrinfo", lambda *_, **__: found)
        for _ in range(3):
            with visit(f"http://shop.test:{server.port}") as (client, reports):
                assert client.get("/").status_code == 200
                assert reports.last["exception"] is None


@pytest.mark.skipif(os.geteuid() != 0, reason="a network without IPv6 is made by root")
def test_where_ipv6_is_off_a_name_that_also_has_such_an_address_is_reached_by_the_other() -> None:
    program = """
import socket
from gevent import monkey; monkey.patch_all()
import gevent.socket
from tests.client_visit import visit
from tests.hostile_server import HostileServer, answers, ok
with HostileServer(answers(ok())) as server:
    found = [(family, 1, 6, "", (ip, server.port)) for family, ip in ((socket.AF_INET6, "::1"), (socket.AF_INET, "127.0.0.1"))]
    gevent.socket.getaddrinfo = lambda *_, **__: found
    for _ in range(4):
        with visit(f"http://shop.test:{server.port}") as (client, reports):
            print(client.get("/").status_code)
    with visit(f"http://[::1]:{server.port}") as (client, reports):
        gevent.socket.getaddrinfo = lambda *_, **__: found[:1]
        client.get("/")
        print(reports.failure)
"""
    without = (
        'ip link set lo up; for f in /proc/sys/net/ipv6/conf/*/disable_ipv6; do echo 1 > $f; done; exec "$@"'
    )
    done = subprocess.run(
        ["unshare", "-n", "sh", "-c", without, "sh", sys.executable, "-c", program],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    assert lines[:4] == ["200"] * 4
    assert "no route to [::1]" in lines[4]
    assert "this machine has no address of that kind" in lines[4]


def test_a_name_that_takes_too_long_to_resolve_is_a_failed_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gevent.socket.getaddrinfo", lambda *_, **__: gevent.sleep(20))
    with visit("http://shop.test", connection_timeout=0.2) as (client, reports):
        assert client.get("/").status_code == 0
        assert reports.failure == "the name 'shop.test' was not resolved within 0.2 s"


def test_a_name_is_resolved_once_by_all_that_ask_at_once(
    site: tuple[str, list[str]], names: dict[str, list[str]]
) -> None:
    url, got = site
    with visit(url) as (client, _):
        gevent.joinall([gevent.spawn(client.get, "/") for _ in range(20)], raise_error=True)
    assert len(got) == 20
    assert names["asked"] == ["shop.test"]


def test_a_name_is_looked_up_again_when_its_time_is_over_and_the_old_serves_until_then(
    site: tuple[str, list[str]], names: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, got = site
    with visit(url) as (client, reports):
        client.get("/")
        names["shop.test"] = ["127.0.0.3"]
        monkeypatch.setattr(resolver, "TTL_SECONDS", 3600.0)
        client._site.transport._resolver._names[
            next(iter(client._site.transport._resolver._names))
        ]._fresh_until = 0
        client.get("/")  # by what is known; the look-up goes on beside
        until(lambda: names["asked"] == ["shop.test", "shop.test"])
        gevent.sleep(0.05)
        got.clear()
        for _ in range(4):
            client.get("/")
        assert got == ["127.0.0.3"] * 4
        del names["shop.test"]
        client._site.transport._resolver._names[
            next(iter(client._site.transport._resolver._names))
        ]._fresh_until = 0
        client.get("/")
        until(lambda: len(names["asked"]) == 3)
        gevent.sleep(0.05)
        client.get("/")
        assert reports.last["exception"] is None


NO_NAMES = ["a..b", ".a.test", "a.test..", ".", "a" * 64 + ".test", "a." * 150 + "test"]
NO_DECODED_NAMES = [
    "%FC.test",
    "a%2Fb.test",
    "a%40b",
    "a%3A81",
    "a%0D%0AX-Own",
    "%EF%BC%8F.test",
    "%zz.test",
    "a%2E%2Eb",
]
NO_INTERNATIONAL_NAMES = ["\u00fc..b", "\u00fc" * 64, "xn--\u00fc.test", "\u05d0a.test"]


@pytest.mark.parametrize("host", [*NO_NAMES, *NO_INTERNATIONAL_NAMES])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_host_that_can_be_no_name_is_refused_in_one_line(scheme: str, host: str) -> None:
    with pytest.raises(ValueError, match=r"^the host '.+' is not a name.*: .+$") as refused:
        target(f"{scheme}://{host}:81/path")
    assert host[:80] in str(refused.value)
    assert "\n" not in str(refused.value)
    assert "codec" not in str(refused.value)


def test_port_0_is_refused_in_one_line() -> None:
    with pytest.raises(
        ValueError, match=r"^the URL 'http://shop:0/' has port 0, which is none: give 1 to 65535$"
    ):
        target("http://shop:0/")


@pytest.mark.parametrize("host", [*NO_NAMES, *NO_DECODED_NAMES, "[fe80::1%25]"])
def test_a_user_whose_host_can_be_no_name_does_not_begin(host: str, names: dict[str, list[str]]) -> None:
    with (
        pytest.raises(ValueError, match=r"is not a name.*: |has no zone") as refused,
        visit(f"http://{host}"),
    ):
        pass
    assert "\n" not in str(refused.value)
    assert names["asked"] == []


@pytest.mark.parametrize("host", NO_DECODED_NAMES)
def test_a_host_over_tls_that_can_be_no_name_is_refused_too(host: str) -> None:
    with pytest.raises(ValueError, match=r"is not a name"), visit(f"https://{host}"):
        pass


@pytest.mark.parametrize("host", [*NO_NAMES, "\u00fc" * 64, *NO_DECODED_NAMES])
def test_a_redirect_to_what_can_be_no_name_is_a_failed_request_and_nothing_is_printed(
    host: str, capfd: pytest.CaptureFixture[str]
) -> None:
    moved = f"HTTP/1.1 302 Found\r\nLocation: http://{host}/\r\nContent-Length: 0\r\n\r\n".encode()
    with HostileServer(answers(moved)) as server, visit(server.url) as (client, reports):
        assert client.get("/").status_code == 0
        assert reports.failure.startswith("redirected to nowhere: the host ")
        assert "is not a name" in reports.failure
        assert "codec" not in reports.failure
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("host", "looked_up"),
    [
        ("my_service", "my_service"),
        ("tasks.web.", "tasks.web."),
        ("a" * 63 + ".test", "a" * 63 + ".test"),
        ("B\u00fccher.test", "xn--bcher-kva.test"),
        ("127.0.0.1", "127.0.0.1"),
        ("[::1]", "::1"),
        ("[fe80::1%eth0.100]", "fe80::1%eth0.100"),
        ("[fe80::1%25eth0.100]", "fe80::1%eth0.100"),
        ("[fe80::1%25vlan-7]", "fe80::1%vlan-7"),
        ("ex%61mple.t%45st", "example.test"),
        ("b%C3%BCcher.test", "xn--bcher-kva.test"),
    ],
)
def test_a_name_or_an_address_is_looked_up_as_it_is(host: str, looked_up: str) -> None:
    assert target(f"http://{host}:81/").host == looked_up


@pytest.mark.parametrize("proxied", [False, True], ids=["lean", "proxied"])
@pytest.mark.parametrize(
    ("host", "name"),
    [("ex%61mple.test", "example.test"), ("b\u00fccher.test", "xn--bcher-kva.test")],
)
def test_a_users_host_is_asked_for_by_its_name_however_that_is_written(
    host: str, name: str, proxied: bool, names: dict[str, list[str]]
) -> None:
    names[name] = names["127.0.0.1"] = ["127.0.0.1"]
    with HostileServer(answers(ok())) as server:
        proxy = {"proxy_host": "127.0.0.1", "proxy_port": server.port} if proxied else {}
        with visit(f"http://a:b@{host}:{server.port}/api", **proxy) as (client, reports):
            client.get("/x")
            assert (reports.last["exception"], reports.last["name"]) == (None, "/x")
            client.get(f"http://{host}:{server.port}/y")
            assert reports.last["url"] == f"http://{name}:{server.port}/y"
        assert names["asked"] == ["127.0.0.1" if proxied else name]
    for request, path in zip(server.requests, ("/api/x", "/y"), strict=True):
        assert request.split()[1].decode().endswith(path)
        assert f"\r\nHost: {name}:{server.port}\r\n".encode() in request


@pytest.mark.parametrize("proxied", [False, True], ids=["lean", "proxied"])
@pytest.mark.parametrize(
    "host", ["b%C3%BCcher.test", "B%c3%bccher%2Etest", "b\u00fccher.test", "xn--bcher-kva.test"]
)
def test_a_redirect_to_a_name_beyond_ascii_is_followed_however_the_name_is_written(
    host: str, proxied: bool, names: dict[str, list[str]]
) -> None:
    def script(peer: Peer) -> None:
        while request := peer.request():
            there = b"/there" in request
            peer.send(ok(b"there") if there else moved.replace(b"PORT", b"%d" % server.port))

    moved = f"HTTP/1.1 302 Found\r\nLocation: http://{host}:PORT/there\r\nContent-Length: 0\r\n\r\n".encode()
    names["xn--bcher-kva.test"] = names["127.0.0.1"] = ["127.0.0.1"]
    with HostileServer(script) as server:
        proxy = {"proxy_host": "127.0.0.1", "proxy_port": server.port} if proxied else {}
        with visit(server.url, **proxy) as (client, reports):
            response = client.get("/")
            assert reports.last["exception"] is None
            assert response.content == b"there"
            assert response.url == f"http://xn--bcher-kva.test:{server.port}/there"
        assert f"\r\nHost: xn--bcher-kva.test:{server.port}\r\n".encode() in server.requests[1]
