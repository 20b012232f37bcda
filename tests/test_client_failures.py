"""Whatever a server or this machine may do wrong: a failed request, in words for a person, and no connection left over."""

from __future__ import annotations

import resource
import socket
from typing import TYPE_CHECKING, Any

import gevent
import pytest

from swarm_ext.client.address import Address
from swarm_ext.client.failures import not_connected
from tests.client_visit import visit
from tests.hostile_server import HostileServer, Peer, answers, answers_once, ok
from tests.integration.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable

KEPT = pytest.mark.parametrize("keep_alive", [False, True], ids=["new connection", "kept connection"])
HEAD = b"HTTP/1.1 200 OK\r\n"


def test_nobody_listens() -> None:
    port = free_port()
    with visit(f"http://127.0.0.1:{port}") as (client, reports):
        response = client.get("/")
        assert (response.status_code, response.content, response.text, response.headers) == (
            0,
            None,
            None,
            None,
        )
        assert reports.failure == f"connection refused by 127.0.0.1:{port}"
        assert isinstance(response.error, ConnectionError)
        with pytest.raises(ConnectionError):
            response.raise_for_status()


def test_a_host_does_not_exist() -> None:
    with visit("http://no-such-host.invalid") as (client, reports):
        for _ in range(2):
            client.get("/")
            assert reports.failure.startswith("the name 'no-such-host.invalid' cannot be resolved: ")


BROKEN_OFF = [
    (b"", "without a response"),
    (HEAD[:9], "in the middle of the response's headers"),
    (HEAD + b"Content-Length: 500\r\n", "in the middle of the response's headers"),
    (HEAD + b"Content-Length: 500\r\n\r\n", "after 0 of 500 bytes"),
    (HEAD + b"Content-Length: 500\r\n\r\n" + b"x" * 120, "after 120 of 500 bytes"),
    (HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhel", "after 3 bytes of a body without its end"),
    (HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n", "after 5 bytes of a body without its end"),
    (b"HTTP/1.1 100 Continue\r\n\r\n", "in the middle of the response's headers"),
]  # fmt: skip


@KEPT
@pytest.mark.parametrize(("part", "words"), BROKEN_OFF)
def test_the_server_closes_too_early(part: bytes, words: str, keep_alive: bool) -> None:
    with (
        HostileServer(answers_once(part)) as server,
        visit(server.url, keep_alive=keep_alive) as (client, reports),
    ):
        assert client.get("/").status_code == 0
        assert reports.failure == f"closed {words}"
    assert server.connections == 1


@pytest.mark.parametrize(("part", "words"), BROKEN_OFF)
def test_the_server_resets_the_connection(part: bytes, words: str) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(part)
        go_on.wait(20)
        peer.reset()

    go_on = gevent.event.Event()
    with HostileServer(script) as server, visit(server.url) as (client, reports):
        request = gevent.spawn(client.get, "/")
        gevent.sleep(0.05)  # what was sent has been read, then: a reset makes the system forget what was not
        go_on.set()
        request.get(timeout=20)
        assert reports.failure == f"connection reset {words}"


def test_the_server_resets_before_it_reads_the_request() -> None:
    with HostileServer(lambda peer: peer.reset()) as server, visit(server.url) as (client, reports):
        client.post("/", data=b"x" * 5_000_000)
        assert reports.failure == "connection reset without a response"


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (b"", "no response within 0.5 s"),
        (HEAD, "nothing more within 0.5 s, in the middle of the response's headers"),
        (HEAD + b"Content-Length: 500\r\n\r\n" + b"x" * 120, "nothing more within 0.5 s, after 120 of 500 bytes"),
    ],
)  # fmt: skip
def test_the_server_falls_silent(part: bytes, words: str) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(part)
        peer.wait()

    with HostileServer(script) as server, visit(server.url, network_timeout=0.5) as (client, reports):
        response = client.get("/")
        assert reports.failure == words
        assert isinstance(response.error, TimeoutError)


def test_the_server_never_takes_the_request() -> None:
    with (
        HostileServer(lambda peer: peer.wait()) as server,
        visit(server.url, network_timeout=0.1) as (client, reports),
    ):
        client.post("/", data=b"x" * 20_000_000)
        assert reports.failure.startswith("the request was not taken within 0.1 s: ")


def test_a_trickle_is_no_silence_but_may_take_too_long_in_total() -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(HEAD + b"Content-Length: 500000\r\n\r\n")
        while True:
            peer.send(b"x")
            gevent.sleep(0.01)

    with HostileServer(script) as server, visit(server.url, network_timeout=5) as (client, reports):
        response = client.get("/", timeout=0.2)
        assert reports.failure == "not complete within 0.2 s"
        assert isinstance(response.error, TimeoutError)


@pytest.mark.parametrize("timeout", [0, -1, (3, 5), "2", float("nan")])
def test_a_timeout_that_is_none_is_refused(timeout: Any) -> None:
    with visit("http://127.0.0.1:1") as (client, _), pytest.raises(ValueError, match="timeout is"):
        client.get("/", timeout=timeout)


def test_nobody_answers_the_call() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        waiting = []
        for _ in range(8):  # the queue is full then, and the system lets callers wait
            caller = socket.socket()
            caller.setblocking(False)
            caller.connect_ex(("127.0.0.1", port))
            waiting.append(caller)
        with visit(f"http://127.0.0.1:{port}", connection_timeout=0.2) as (client, reports):
            client.get("/")
            assert reports.failure == f"no connection to 127.0.0.1:{port} within 0.2 s"
        for caller in waiting:
            caller.close()


@KEPT
@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"<html>hello</html>", "Expected HTTP/"),
        (b"HTTP/9.9 200 OK\r\n\r\n", "Invalid HTTP version"),
        (b"HTTP/1.1 20 OK\r\n\r\n", "Invalid status code"),
        (HEAD + b"No colon here\r\n\r\n", "Invalid header token"),
        (HEAD + b"X: a\x00b\r\n\r\n", "Invalid header value char"),
        (HEAD + b"X: a\r\n folded\r\n\r\n", "Unexpected whitespace"),
        (HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok", "Duplicate Content-Length"),
        (HEAD + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nok", "Duplicate Content-Length"),
        (HEAD + b"Content-Length: -5\r\n\r\n", "Invalid character in Content-Length"),
        (HEAD + b"Content-Length: 99999999999999999999999\r\n\r\n", "Content-Length overflow"),
        (HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "can't be present"),
        (HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n", "can't be present"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nok", "Invalid character in chunk size"),
    ],
)  # fmt: skip
def test_what_comes_is_no_valid_response(answer: bytes, why: str, keep_alive: bool) -> None:
    with (
        HostileServer(answers(answer)) as server,
        visit(server.url, keep_alive=keep_alive) as (client, reports),
    ):
        for _ in range(2):
            assert client.get("/").status_code == 0
            assert reports.failure.startswith("the response is not valid HTTP: ")
            assert why in reports.failure
    assert server.connections == 2


def _endless(start: bytes, more: bytes) -> Callable[[Peer], None]:
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(start)
        for _ in range(10_000):
            peer.send(more * 100)

    return script


@pytest.mark.parametrize(
    ("start", "more"),
    [
        (HEAD, b"X-More: and more\r\n"),
        (HEAD + b"X: ", b"very long "),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n", b"X-Trailer: and more\r\n"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n2;", b"extension"),
        (b"", b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"),
    ],
    ids=["headers", "one header", "trailers", "chunk extension", "interim responses"],
)
def test_headers_without_end_are_cut_off(start: bytes, more: bytes) -> None:
    with HostileServer(_endless(start, more)) as server, visit(server.url) as (client, reports):
        client.get("/")
        assert reports.failure == "more than 262144 bytes of headers"


@pytest.mark.parametrize(
    ("code", "remedy"),
    [("EADDRNOTAVAIL", "--keep-alive"), ("EMFILE", "ulimit -n"), ("ENFILE", "fs.file-max"), ("ENOBUFS", "--max-in-flight")],
)  # fmt: skip
def test_what_this_machine_lacks_is_told_with_its_remedy(code: str, remedy: str) -> None:
    import errno

    failure = not_connected(OSError(getattr(errno, code), "x"), Address(socket.AF_INET, ("10.0.0.1", 80)))
    assert "out of" in str(failure)
    assert remedy in str(failure)


def test_out_of_file_descriptors_is_a_failure_like_another_and_passes() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with (
        HostileServer(answers(ok(b"", "Connection: close"))) as server,
        visit(server.url) as (client, reports),
    ):
        assert client.get("/").status_code == 200
        with socket.socket() as probe:
            lowest_free = probe.fileno()
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
        try:
            response = client.get("/")
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert response.status_code == 0
        assert reports.failure.startswith(f"out of file descriptors (this process may have {lowest_free})")
        assert client.get("/").status_code == 200


def test_a_visitor_that_is_cut_off_leaves_no_connection() -> None:
    closed = gevent.event.Event()

    def script(peer: Peer) -> None:
        peer.request()
        if peer.is_closed_by_client():
            closed.set()

    with HostileServer(script) as server, visit(server.url, keep_alive=True) as (client, reports):
        visitor = gevent.spawn(client.get, "/")
        while not server.requests:
            gevent.sleep(0.01)
        visitor.kill()
        assert closed.wait(20)
        assert reports.fired == []
