"""The client against real HTTP on loopback: what it asks, and one readable line for each way an answer can fail."""

from __future__ import annotations

import json
import socket
import time
from base64 import b64encode
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from swarm_ext.cadvisor import (
    CAdvisor,
    CAdvisorError,
    ReplyTooLargeError,
)
from tests.cadvisor_server import DOCKER, MACHINE, ROOT, Answer, CAdvisorServer, as_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WEB = {"id": "a" * 64, "name": "/docker/" + "a" * 64}


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], CAdvisorServer]]:
    """Start servers that give one answer to everything; close them at the end."""
    servers: list[CAdvisorServer] = []

    def start(answer: Answer) -> CAdvisorServer:
        servers.append(CAdvisorServer(lambda method, path, body: answer))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def failure(url: str, **options: Any) -> str:
    with CAdvisor(url, **options) as cadvisor, pytest.raises(CAdvisorError) as caught:
        cadvisor.containers()
    text = str(caught.value)
    assert "\n" not in text
    assert url in text
    return text


def test_all_points_since_an_instant_are_asked_for_without_an_end(
    serve: Callable[[Answer], CAdvisorServer],
) -> None:
    server = serve(as_json({}))
    with CAdvisor(server.url) as cadvisor:
        cadvisor.containers(datetime(2024, 1, 2, 3, 4, 5, 678901, tzinfo=UTC))
        cadvisor.containers(points=1)
    assert server.requests == [
        ("POST", DOCKER, {"num_stats": -1, "start": "2024-01-02T03:04:05.678901Z"}),
        ("POST", DOCKER, {"num_stats": 1}),
    ]


def test_machine_and_root_are_read(serve: Callable[[Answer], CAdvisorServer]) -> None:
    answers = {
        MACHINE: as_json({"num_cores": 8, "memory_capacity": 16_000_000_000, "vendor_id": "X"}),
        ROOT: as_json({"name": "/", "subcontainers": [{"name": "/docker"}], "stats": None}),
    }
    with CAdvisorServer(lambda method, path, body: answers[path]) as server, CAdvisor(server.url) as cadvisor:
        machine = cadvisor.machine()
        assert (machine.num_cores, machine.memory_capacity) == (8, 16_000_000_000)
        assert cadvisor.root().name == "/"
        assert [method for method, _, _ in server.requests] == ["GET", "POST"]


def test_one_connection_serves_many_polls(serve: Callable[[Answer], CAdvisorServer]) -> None:
    server = serve(as_json({"/docker/a": WEB}))
    with CAdvisor(server.url) as cadvisor:
        for _ in range(5):
            assert len(cadvisor.containers().containers) == 1
    assert len(server.connections) == 1


def test_many_containers_are_read_in_pieces_after_their_arrival_was_timed(
    serve: Callable[[Answer], CAdvisorServer],
) -> None:
    server = serve(as_json({f"/docker/{number}": WEB for number in range(50)}))
    turns: list[float] = []
    with CAdvisor(server.url, let_others=lambda: turns.append(time.time())) as cadvisor:
        before = time.time()
        assert len(cadvisor.containers().containers) == 50
    assert len(turns) >= 5
    assert before <= cadvisor.received_at <= turns[0]


def test_closing_the_client_closes_its_connection(serve: Callable[[Answer], CAdvisorServer]) -> None:
    server = serve(as_json({}))
    cadvisor = CAdvisor(server.url)
    cadvisor.containers()
    assert not server.ended.acquire(blocking=False)
    cadvisor.close()
    assert server.ended.acquire(timeout=30)


def test_an_environments_proxy_is_not_used(
    serve: Callable[[Answer], CAdvisorServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with CAdvisor(serve(as_json({})).url) as cadvisor:
        assert cadvisor.containers().containers == ()


def test_a_cadvisor_behind_a_path_is_reached_there(serve: Callable[[Answer], CAdvisorServer]) -> None:
    server = serve(as_json({}))
    with CAdvisor(f"{server.url}/node1/") as cadvisor:
        cadvisor.containers()
    assert server.requests[0][1] == f"/node1{DOCKER}"


def test_http_500_says_what_cadvisor_said(serve: Callable[[Answer], CAdvisorServer]) -> None:
    text = failure(serve(Answer(b"failed to get all\nDocker containers", status=500)).url)
    assert "HTTP 500" in text
    assert "failed to get all Docker containers" in text


def test_http_404_asks_whether_this_is_cadvisor(serve: Callable[[Answer], CAdvisorServer]) -> None:
    assert "is this cAdvisor's address" in failure(serve(Answer(b"nope", status=404)).url)


def test_http_401_tells_where_the_password_goes(serve: Callable[[Answer], CAdvisorServer]) -> None:
    assert "into the URL" in failure(serve(Answer(status=401)).url)


def test_a_redirect_is_reported_and_not_followed(serve: Callable[[Answer], CAdvisorServer]) -> None:
    server = serve(Answer(status=302, headers={"Location": "https://user:secret@login.example/?token=1"}))
    text = failure(server.url)
    assert "redirect to https://login.example" in text
    assert "secret" not in text
    assert "token" not in text
    assert len(server.requests) == 1


def test_a_refused_connection_asks_whether_cadvisor_runs() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        assert "connection refused" in failure(url)


def test_a_connection_that_is_never_accepted_is_a_connect_timeout() -> None:
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for filler in (first, second):
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        url = f"http://127.0.0.1:{full.getsockname()[1]}"
        assert "no connection within 0.2 s" in failure(url, timeout_seconds=(0.2, 5.0))


def test_a_silent_server_is_a_read_timeout(serve: Callable[[Answer], CAdvisorServer]) -> None:
    server = serve(Answer(b"{}", delay_seconds=60))
    assert "no answer within 0.2 s" in failure(server.url, timeout_seconds=(5.0, 0.2))


def test_silence_in_the_middle_of_the_body_is_a_read_timeout(
    serve: Callable[[Answer], CAdvisorServer],
) -> None:
    server = serve(Answer(b'{"a": 1}', pieces=2, pause_between_pieces_seconds=60))
    assert "no answer within 0.2 s" in failure(server.url, timeout_seconds=(5.0, 0.2))


HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("at_once", "trickling"),
    [
        (HEAD + b"Content-Length: 400\r\n\r\n", b" " * 400),
        (HEAD + b"\r\n", b" " * 400),
        (CHUNKED + b"400\r\n", b" " * 400),
        (CHUNKED, b"1\r\n \r\n" * 70),
        (CHUNKED, b"1;" + b"x" * 400),
        (CHUNKED + b"0\r\n", b"X-Y: z\r\n" * 50),
        (b"", b"HTTP/1.1 200 OK" * 30),
        (HEAD, b"X-Y: z\r\n" * 50),
    ],
    ids=[
        "a body", "a body without a length", "a chunk", "chunks", "a chunk's size", "a trailer", "a status", "headers",
    ],
)  # fmt: skip
def test_what_trickles_byte_by_byte_is_given_up_at_the_deadline(
    serve: Callable[[Answer], CAdvisorServer], at_once: bytes, trickling: bytes
) -> None:
    server = serve(
        Answer(trickling, raw=at_once, pieces=len(trickling), pause_between_pieces_seconds=0.05)
    )  # 20 s in all
    assert "not complete after 1 s" in failure(server.url, timeout_seconds=(0.5, 0.5))
    assert server.answered == 0


def test_an_answer_that_trickles_in_time_is_read(serve: Callable[[Answer], CAdvisorServer]) -> None:
    server = serve(Answer(b"{}" + b" " * 20, pieces=22, pause_between_pieces_seconds=0.05))
    with CAdvisor(server.url, timeout_seconds=(30.0, 30.0)) as cadvisor:
        assert cadvisor.containers().containers == ()


def test_each_answer_has_the_whole_time(serve: Callable[[Answer], CAdvisorServer]) -> None:
    server = serve(Answer(b"{}  ", pieces=4, pause_between_pieces_seconds=0.2))
    with CAdvisor(server.url, timeout_seconds=(1.5, 1.5)) as cadvisor:
        for _ in range(6):  # 4.8 s in all
            assert cadvisor.containers().containers == ()
    assert len(server.connections) == 1


def test_a_body_shorter_than_announced_is_cut_off(serve: Callable[[Answer], CAdvisorServer]) -> None:
    assert "cut off" in failure(serve(Answer(json.dumps({"/docker/a": WEB}).encode(), cut=True)).url)


def test_a_connection_closed_instead_of_an_answer_is_said_so(
    serve: Callable[[Answer], CAdvisorServer],
) -> None:
    assert "closed without an answer" in failure(serve(Answer(raw=b"")).url)


def test_something_that_is_not_http_is_an_error_of_one_line(
    serve: Callable[[Answer], CAdvisorServer],
) -> None:
    failure(serve(Answer(raw=b"SSH-2.0-OpenSSH_9.2\r\n")).url)


def test_broken_chunks_are_cut_off(serve: Callable[[Answer], CAdvisorServer]) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert "cut off" in failure(serve(Answer(raw=head + b"10\r\n{}")).url)


def test_truncated_json_is_said_to_be_truncated(serve: Callable[[Answer], CAdvisorServer]) -> None:
    assert "truncated" in failure(serve(Answer(b'{"/docker/a": {"id": "a')).url)


def test_a_web_page_is_quoted_from_its_beginning(serve: Callable[[Answer], CAdvisorServer]) -> None:
    text = failure(serve(Answer(b"<html>\n<title>Sign in</title>" + b"x" * 10_000)).url)
    assert "not cAdvisor's JSON" in text
    assert "<html> <title>Sign in" in text
    assert len(text) < 500


def test_json_of_another_shape_says_where_it_differs(serve: Callable[[Answer], CAdvisorServer]) -> None:
    assert "Expected `object | null`, got `array`" in failure(serve(as_json([1, 2])).url)


def test_a_wrong_type_in_machine_says_where(serve: Callable[[Answer], CAdvisorServer]) -> None:
    server = serve(as_json({"num_cores": "eight"}))
    with CAdvisor(server.url) as cadvisor, pytest.raises(CAdvisorError, match=r"\$\.num_cores"):
        cadvisor.machine()


def test_a_huge_body_is_refused_before_it_is_all_read(serve: Callable[[Answer], CAdvisorServer]) -> None:
    server = serve(Answer(b" " * 3_000_000))
    with CAdvisor(server.url, max_body_bytes=1_000_000) as cadvisor, pytest.raises(ReplyTooLargeError):
        cadvisor.containers()


def test_a_body_just_within_the_bound_is_read(serve: Callable[[Answer], CAdvisorServer]) -> None:
    server = serve(Answer(b"{}".ljust(1_000_000)))
    with CAdvisor(server.url, max_body_bytes=1_000_000) as cadvisor:
        assert cadvisor.containers().containers == ()


def test_the_client_works_again_after_a_failure() -> None:
    answers = [Answer(b"x" * 100, cut=True), Answer(status=500), as_json({})]
    with (
        CAdvisorServer(lambda method, path, body: answers.pop(0)) as server,
        CAdvisor(server.url) as cadvisor,
    ):
        for _ in range(2):
            with pytest.raises(CAdvisorError):
                cadvisor.containers()
        assert cadvisor.containers().containers == ()


@pytest.mark.parametrize(
    ("credentials", "sent"),
    [("", None), ("me:pass@", b"me:pass"), ("m%40e:%C3%A4%E4@", b"m@e:\xc3\xa4\xe4"), ("me@", b"me:")],
)
def test_the_credentials_of_a_url_are_sent_as_the_bytes_that_it_names(
    serve: Callable[[Answer], CAdvisorServer], credentials: str, sent: bytes | None
) -> None:
    server = serve(as_json({}))
    with CAdvisor(server.url.replace("http://", f"http://{credentials}")) as cadvisor:
        cadvisor.containers()
    assert server.authorizations == [sent and f"Basic {b64encode(sent).decode()}"]


def test_no_answer_shows_the_password_of_the_url(serve: Callable[[Answer], CAdvisorServer]) -> None:
    server = serve(Answer(status=500))
    url = server.url.replace("http://", "http://admin:p@ss%2F@")
    with CAdvisor(url) as cadvisor, pytest.raises(CAdvisorError) as caught:
        cadvisor.containers()
    assert "admin" not in str(caught.value)
    assert "ss%2F" not in str(caught.value)
    assert "admin" not in repr(cadvisor)
