"""What the lean client leaves to Locust's: TLS and proxies, chosen by itself."""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gevent.ssl
import pytest
from locust.contrib.fasthttp import FastHttpSession

from swarm_ext.client import Session, notice
from tests.client_visit import Visitors, visit
from tests.hostile_server import HostileServer, answers, ok

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The file of a certificate that nobody signed, with its key in key.pem beside it."""
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = str(folder / "key.pem"), str(folder / "certificate.pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    return certificate


@pytest.fixture(scope="module")
def secure(certificate: str) -> Iterator[str]:
    """The URL of a server that speaks TLS, with that certificate."""
    with tls_server(certificate) as url:
        yield url


@contextmanager
def tls_server(certificate: str, *options: str) -> Iterator[str]:
    key = str(Path(certificate).with_name("key.pem"))
    program = str(Path(__file__).with_name("tls_server.py"))
    with subprocess.Popen(
        [sys.executable, program, key, certificate, *options],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as server:  # fmt: skip
        try:
            assert server.stdout is not None
            yield f"https://127.0.0.1:{server.stdout.readline().strip()}"
        finally:
            server.kill()


def test_an_https_host_has_locusts_client(secure: str) -> None:
    with visit(secure) as (client, reports):
        assert isinstance(client, FastHttpSession)
        assert client.get("/").text == "secret"
        assert reports.last["exception"] is None
    with visit("http://127.0.0.1:1") as (client, _):
        assert isinstance(client, Session)


def test_a_proxy_has_locusts_client() -> None:
    with HostileServer(answers(ok(b"by proxy"))) as proxy:
        with visit("http://shop.test", proxy_host="127.0.0.1", proxy_port=proxy.port) as (client, reports):
            assert client.get("/x").text == "by proxy"
            assert reports.last["exception"] is None
        assert proxy.requests[0].startswith(b"GET http://shop.test")


def test_it_is_said_once(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notice, "_said", set())
    with caplog.at_level(logging.INFO):
        for url in ("https://a.test", "https://b.test", "http://c.test"):
            Visitors(url)
    assert [record.message for record in caplog.records] == [
        "Requests over TLS are made by Locust's FastHttpSession, which sends fewer per second"
    ]


def test_it_is_said_of_single_requests_too(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notice, "_said", set())
    with caplog.at_level(logging.INFO), visit("http://127.0.0.1:1") as (client, _):
        for _ in range(2):
            client.get("/")
            client.get("https://127.0.0.1:1/")
            client.get("/", stream=True)
            client.post("/", files={"one": b"1"})
    said = [record.message for record in caplog.records]
    assert [message.partition(" are made by Locust's")[0] for message in said] == [
        "Requests over TLS",
        "Requests in pieces (stream, files, data from a file or an iterator)",
    ]


@pytest.mark.parametrize("keep_alive", [False, True])
def test_a_session_for_http_can_request_an_https_url(secure: str, keep_alive: bool) -> None:
    with HostileServer(answers(ok())) as server:
        visitors = Visitors(server.url, keep_alive=keep_alive)
        for _ in range(2):
            with visitors.one() as (client, reports):
                assert client.get(f"{secure}/x", name="there").text == "secret"
                assert client.get("/").text == "ok"
                assert [report["exception"] for report in reports.fired] == [None, None]
                assert (reports.fired[0]["name"], reports.fired[0]["response_length"]) == ("there", 6)
        visitors.sessions.close()


def test_a_redirect_may_lead_to_https(secure: str) -> None:
    moved = f"HTTP/1.1 301 Moved\r\nLocation: {secure}/there\r\nContent-Length: 0\r\n\r\n".encode()
    with HostileServer(answers(moved)) as server, visit(server.url) as (client, reports):
        response = client.get("/", auth=("a", "b"))
        assert response.text == "secret"
        assert response.url == f"{secure}/there"
        assert [earlier.status_code for earlier in response.history] == [301]
        assert len(reports.fired) == 1
        assert response.headers["X-Got-Authorization"] == "none"


def test_a_request_over_tls_takes_no_longer_than_its_timeout_or_the_tasks_own(secure: str) -> None:
    """In a process of its own: where gevent has not patched ssl, as in these tests, TLS blocks the loop."""
    program = f"""
from gevent import Timeout, monkey; monkey.patch_all()
from tests.client_visit import visit
from tests.hostile_server import HostileServer, answers
moved = b"HTTP/1.1 301 Moved\\r\\nLocation: {secure}/never\\r\\nContent-Length: 0\\r\\n\\r\\n"
with HostileServer(answers(moved)) as server:
    for host, path in (("{secure}", "/never"), (server.url, "/"), ("http://127.0.0.1:1", "{secure}/never")):
        with visit(host) as (client, reports):
            print(client.get(path, timeout=0.3).status_code, reports.failure)
    with visit(server.url) as (client, _):
        with Timeout(0.3, False):
            client.get("/")
            print("not reached")
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.splitlines() == ["0 not complete within 0.3 s"] * 3


def test_a_request_in_pieces_takes_no_longer_than_its_timeout() -> None:
    with HostileServer(lambda peer: peer.wait()) as server, visit(server.url) as (client, reports):
        client.get("/", stream=True, timeout=0.3)
        assert "not complete within 0.3 s" in reports.failure
        with pytest.raises(ValueError, match="above 0"):
            client.get("/", stream=True, timeout=-1)


def test_a_failure_over_tls_is_a_failed_request() -> None:
    with visit("http://127.0.0.1:1") as (client, reports):
        assert client.get("https://127.0.0.1:1/").status_code == 0
        assert reports.failure == "connection refused by 127.0.0.1:1"


def test_an_error_status_over_tls_is_told(secure: str) -> None:
    with visit("http://127.0.0.1:1") as (client, reports):
        response = client.get(f"{secure}/503")
        assert (response.status_code, response.text) == (503, "soon")
        assert "code=503" in reports.failure


@pytest.mark.parametrize("host", ["http://127.0.0.1:1", None], ids=["http session", "https session"])
def test_a_body_over_tls_is_decoded_as_that_over_http(secure: str, host: str | None) -> None:
    with visit(host or secure) as (client, reports):
        for coding in ("gzip", "deflate", "br"):
            assert client.get(f"{secure}/as/{coding}").status_code == 0
            assert reports.failure.startswith(f"the body is not {coding}, as its header says: ")
        assert client.get(f"{secure}/as/unheard-of").content == b"secret"
        assert reports.last["exception"] is None


def test_certificates_are_checked_if_asked_for(secure: str, certificate: str) -> None:
    place = secure.removeprefix("https://")
    with visit(secure, insecure=False) as (client, reports):
        assert isinstance(client.get("/").error, ConnectionError)
        assert reports.failure.startswith(f"the certificate of {place} is not trusted (self")
        assert reports.failure.endswith("or set insecure = True on the user class")
    trusting = {
        "insecure": False,
        "ssl_context_factory": lambda: gevent.ssl.create_default_context(cafile=certificate),
    }
    with visit(secure, **trusting) as (client, _):
        assert client.get("/").text == "secret"
    with visit(secure.replace("127.0.0.1", "localhost"), **trusting) as (client, reports):
        client.get("/")
        assert "is not for that name" in reports.failure


def test_a_server_that_asks_for_a_certificate_is_told_and_given_one(certificate: str) -> None:
    def with_ours() -> ssl.SSLContext:
        context: ssl.SSLContext = gevent.ssl.create_default_context(cafile=certificate)
        context.load_cert_chain(certificate, str(Path(certificate).with_name("key.pem")))
        return context

    with tls_server(certificate, certificate) as url:
        with visit(url) as (client, reports):
            client.get("/")
            assert reports.failure == (
                "closed without a response: the server asks for a certificate of the client's, "
                "which ssl_context_factory can load"
            )
        with visit(url, insecure=False, ssl_context_factory=with_ours) as (client, _):
            assert client.get("/").text == "secret"


def test_a_connection_that_is_closed_over_tls_is_told_as_over_plain_http(secure: str) -> None:
    with visit(secure) as (client, reports):
        assert isinstance(client.post("/", data=b"x" * 30_000_000).error, ConnectionError)
        assert reports.failure in ("closed without a response", "connection reset without a response")


def test_a_server_that_does_not_speak_tls_is_told() -> None:
    def answer() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            connection.recv(65536)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer)
        thread.start()
        with visit(f"https://127.0.0.1:{listener.getsockname()[1]}") as (client, reports):
            client.get("/")
            assert "speaks something else, plain http:// perhaps" in reports.failure
        thread.join(20)


@pytest.mark.parametrize("path", ["/", "/503", "/as/gzip"])
def test_elapsed_is_a_time_whatever_came_of_the_request(secure: str, path: str) -> None:
    for host in (secure, "http://127.0.0.1:1"):
        with visit(host) as (client, _):
            answer = client.get(secure + path)
            assert answer.elapsed > timedelta(0)
            with client.get(secure + path, catch_response=True) as caught:
                assert caught.elapsed > timedelta(0)
                assert caught.history == []
    with visit("https://127.0.0.1:1") as (client, _):
        assert client.get("/").elapsed > timedelta(0)


@pytest.mark.parametrize("timeout", ["5", (1, 2), 0, -1])
def test_a_timeout_over_tls_is_checked(secure: str, timeout: Any) -> None:
    with visit(secure) as (client, _), pytest.raises(ValueError, match=r"timeout is .*above 0"):
        client.get("/", timeout=timeout)
