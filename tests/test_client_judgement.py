"""`catch_response`: a request is reported as the task judges it; and everything else that tasks do with a client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from locust.exception import CatchResponseError, LocustError, ResponseError
from locust.user.users import RestMixin

from tests.client_visit import Reports, visit
from tests.hostile_server import HostileServer, answers, answers_once, ok

if TYPE_CHECKING:
    from collections.abc import Iterator

    from swarm_ext.client import Session

LAST = "Connection: close"
"""With it, the next request has a new connection, on which the server's next script runs."""
MISSING = b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno"


@pytest.fixture
def server() -> Iterator[HostileServer]:
    with HostileServer(answers(ok(b"ok", LAST))) as running:
        yield running


@pytest.fixture
def visitor(server: HostileServer) -> Iterator[tuple[Session, Reports]]:
    with visit(server.url) as both:
        yield both


def test_a_with_block_without_catch_response_changes_nothing(visitor: tuple[Session, Reports]) -> None:
    client, reports = visitor
    with client.get("/") as response:
        assert len(reports.fired) == 1
        assert response.text == "ok"
        with pytest.raises(LocustError, match="catch_response=True"):
            response.success()
    with pytest.raises(KeyError), client.get("/"):
        raise KeyError("the task's own")
    assert [report["exception"] for report in reports.fired] == [None, None]


def test_success_and_failure_have_the_last_word(
    server: HostileServer, visitor: tuple[Session, Reports]
) -> None:
    client, reports = visitor
    with client.get("/", catch_response=True) as response:
        assert reports.fired == []
        response.failure("wrong content")
    assert isinstance(reports.last["exception"], CatchResponseError)
    with client.get("/", catch_response=True) as response:
        response.failure(error := RuntimeError("as it is"))
    assert reports.last["exception"] is error
    server.script = answers(MISSING)
    with client.get("/", catch_response=True) as response:
        assert response.status_code == 404
        response.success()
    assert reports.last["exception"] is None
    with client.get("/", catch_response=True):
        pass
    assert "code=404" in reports.failure
    assert len(reports.fired) == 4


def test_a_failed_request_can_be_judged_too(server: HostileServer, visitor: tuple[Session, Reports]) -> None:
    client, reports = visitor
    server.script = answers_once(b"")
    with client.get("/", catch_response=True) as response:
        assert (response.status_code, response.content) == (0, None)
    assert reports.failure == "closed without a response"
    with client.get("/", catch_response=True) as response:
        response.success()
    assert reports.last["exception"] is None


def test_an_exception_in_the_block(visitor: tuple[Session, Reports]) -> None:
    client, reports = visitor
    with client.get("/", catch_response=True):
        raise ResponseError("counts as a failure")
    assert reports.failure == "ResponseError('counts as a failure')"
    with pytest.raises(ZeroDivisionError), client.get("/", catch_response=True):
        _ = 1 / 0
    assert len(reports.fired) == 1
    response = client.get("/", catch_response=True)
    with pytest.raises(ZeroDivisionError), response:
        _ = response.failure("judged before"), 1 / 0
    assert reports.failure == "CatchResponseError('judged before')"


def test_judging_without_a_block_is_an_error_of_the_locustfile(visitor: tuple[Session, Reports]) -> None:
    client, _ = visitor
    with pytest.raises(LocustError, match="catch_response=True"):
        client.get("/").success()
    with pytest.raises(LocustError, match="catch_response=True"):
        client.get("/").failure("x")
    with pytest.raises(LocustError, match="with-block"):
        client.get("/", catch_response=True).success()


def test_raise_for_status_follows_the_judgement(visitor: tuple[Session, Reports]) -> None:
    client, _ = visitor
    client.get("/").raise_for_status()
    with client.get("/", catch_response=True) as response:
        response.raise_for_status()
        response.failure("bad")
        with pytest.raises(CatchResponseError):
            response.raise_for_status()


def test_the_context_is_the_users_and_the_requests(server: HostileServer) -> None:
    class Shopper:
        def context(self) -> dict[str, Any]:
            return {"shop": "one", "till": 1}

    from tests.client_visit import Visitors

    visitors = Visitors(server.url)
    with visitors.one(Shopper()) as (client, reports):
        client.get("/")
        assert reports.last["context"] == {"shop": "one", "till": 1}
        client.get("/", context={"till": 2})
        assert reports.last["context"] == {"shop": "one", "till": 2}


def test_locusts_rest_methods_work(server: HostileServer, visitor: tuple[Session, Reports]) -> None:
    client, reports = visitor

    class Api(RestMixin[Any]):
        def __init__(self) -> None:
            self.client = client

    server.script = answers(ok(b'{"a": 1}', LAST))
    with Api().rest("POST", "/api", json={"b": 2}) as response:
        assert response.js == {"a": 1}
    assert reports.last["exception"] is None
    with Api().rest_("GET", "/api") as response:
        assert response.js["a"] == 2, "wrong"
    assert reports.last["name"] == "/api?_=..."
    assert "wrong" in reports.failure
    server.script = answers(ok(b"<html>", LAST))
    with Api().rest("GET", "/api"):
        pass
    assert "Could not parse response as JSON" in reports.failure
    server.script = answers_once(b"")
    with Api().rest("GET", "/api") as response:
        assert response.js is None
    assert "closed without a response" in reports.failure


def test_lines_and_pieces(server: HostileServer, visitor: tuple[Session, Reports]) -> None:
    client, reports = visitor
    server.script = answers(ok(b"one\ntwo\nthree"))
    assert list(client.iter_lines("/")) == ["one", "two", "three"]
    assert list(client.get("/").iter_content(4)) == ["one\n", "two\n", "thre", "e"]
    assert len(reports.fired) == 2


def test_elapsed_is_a_time(visitor: tuple[Session, Reports]) -> None:
    client, _ = visitor
    assert 0 < client.get("/").elapsed.total_seconds() < 60
    assert 0 < client.get("http://127.0.0.1:1/").elapsed.total_seconds() < 60


def test_retries_are_made_where_the_user_class_asks_for_them(server: HostileServer) -> None:
    with visit(server.url, max_retries=2) as (client, reports):
        server.script = answers_once(b"")
        client.get("/")
        assert reports.failure == "closed without a response"
        assert len(server.requests) == 3
        client.post("/")
        assert len(server.requests) == 4


def test_a_context_that_is_none_is_a_mistake_before_there_is_a_request(server: HostileServer) -> None:
    with visit(server.url) as (client, reports):
        with pytest.raises(TypeError, match="not a mapping"):
            client.get("/", context=["till"])
        assert not server.requests
        assert not reports.fired
