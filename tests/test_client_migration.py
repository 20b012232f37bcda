"""What locustfiles written for HttpUser or FastHttpUser ask for: it is done as there, or refused in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gevent
import pytest

from tests.client_visit import visit
from tests.hostile_server import HostileServer, Peer, answers, ok

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def server() -> Iterator[HostileServer]:
    with HostileServer(answers(ok())) as running:
        yield running


@pytest.fixture(params=["lean", "theirs"])
def client(server: HostileServer, request: pytest.FixtureRequest) -> Iterator[Any]:
    """The lean client, and Locust's, through a proxy that answers by itself."""
    proxy = {"proxy_host": "127.0.0.1", "proxy_port": server.port} if request.param == "theirs" else {}
    with visit(server.url, **proxy) as (session, _):
        yield session


def sent(server: HostileServer) -> tuple[str, list[str], bytes]:
    """The last request's path, its headers, and its body."""
    head, _, body = server.requests[-1].partition(b"\r\n\r\n")
    line, *headers = head.decode("latin-1").split("\r\n")
    return line.split()[1].removeprefix(server.url), headers, body


@pytest.mark.parametrize(
    ("params", "query"),
    [
        ({"a": 1, "none": None, "b": ["x", "y"]}, "/?a=1&b=x&b=y"),
        ([("a", 1), ("none", None)], "/?a=1"),
        ({"none": None}, "/"),
        (b"a=1", "/?a=1"),
        ({b"a": b"1"}, "/?a=1"),
    ],
)
def test_a_parameter_without_a_value_is_left_out(
    server: HostileServer, client: Any, params: Any, query: str
) -> None:
    client.get("/", params=params)
    assert sent(server)[0] == query


def test_a_header_that_is_none_is_left_out_and_one_that_is_a_list_is_several(
    server: HostileServer, client: Any
) -> None:
    client.get("/", headers={"X-None": None, "X-Two": ["1", "2"]})
    headers = sent(server)[1]
    assert [header for header in headers if header.startswith("X-")] == ["X-Two: 1", "X-Two: 2"]
    client.get("/", headers=[("X-One", "1")])
    assert "X-One: 1" in sent(server)[1]


def test_a_default_header_is_left_out_where_a_request_gives_none(server: HostileServer) -> None:
    with visit(server.url, headers={"X-All": "1"}) as (client, _):
        client.get("/", headers={"x-all": None})
    assert not [header for header in sent(server)[1] if header.lower().startswith("x-all")]


@pytest.mark.parametrize("data", [[("a", "1"), ("a", "2")], {"a": ["1", "2"]}])
def test_a_form_is_the_same_by_either_client(server: HostileServer, client: Any, data: Any) -> None:
    client.post("/", data=data)
    _, headers, body = sent(server)
    assert body == b"a=1&a=2"
    assert "content-type: application/x-www-form-urlencoded; charset=utf-8" in [
        each.lower() for each in headers
    ]


def test_a_body_may_be_a_bytearray(server: HostileServer, client: Any) -> None:
    client.post("/", data=bytearray(b"\x00\xff"))
    assert sent(server)[2] == b"\x00\xff"


def test_credentials_are_in_latin_1_where_they_can_be_as_those_of_locusts_clients(
    server: HostileServer, client: Any
) -> None:
    client.get("/", auth=("u", "p\u00e4"))
    assert "Authorization: Basic dTpw5A==" in sent(server)[1]


def test_credentials_beyond_latin_1_are_in_utf_8(server: HostileServer) -> None:
    for proxy in ({}, {"proxy_host": "127.0.0.1", "proxy_port": server.port}):
        with visit(server.url, **proxy) as (client, _):
            client.get("/", auth=("u", "\u20ac"))
        assert "Authorization: Basic dTrigqw=" in sent(server)[1]
        with visit(server.url.replace("//", "//u:%E2%82%AC@"), **proxy) as (client, _):
            client.get("/")
        assert "Authorization: Basic dTrigqw=" in sent(server)[1]


@pytest.mark.parametrize(
    ("url", "options", "words"),
    [
        ("/", {"params": 5}, "params is 5: give a mapping"),
        ("/", {"params": ["a"]}, r"params is \['a'\]: give a mapping"),
        ("/", {"data": 5}, "data is 5: give str, bytes"),
        ("/", {"data": {"a"}}, r"data is \{'a'\}: give str, bytes"),
        ("/", {"data": [b"one", b"two"]}, r"data is \[b'one', b'two'\]: as a form"),
        ("/", {"auth": object()}, "auth is a object: give a pair of name and password"),
        ("/", {"auth": ("u", None)}, "auth is a tuple: give a pair of name and password"),
        ("/", {"headers": "X: 1"}, "headers is 'X: 1': give a mapping"),
        ("/", {"headers": {b"X": "1"}}, r"headers is \{b'X': '1'\}: give a mapping of names, each a str"),
        ("/", {"json": {}, "files": {"f": b""}}, "files go with data as a form"),
        (None, {}, "the URL is None: give a str"),
        (b"/", {}, "the URL is b'/': give a str"),
        ("basket", {}, "the path 'basket' does not begin with /"),
        ("ftp://shop.test/", {}, "the path 'ftp://shop.test/' does not begin with /"),
        ("/a\nb", {}, r"the URL 'http://.*/a\\nb' has the control character"),
        ("http://", {}, "the URL 'http://' has no http:// or https:// and host"),
        ("http://shop.test:0/", {}, "the URL 'http://shop.test:0/' has port 0"),
        ("http://a..b/", {}, "the host 'a..b' is not a name"),
        ("/", {"files": "f"}, "files is 'f': give a mapping or a list of pairs"),
    ],
)
def test_what_cannot_be_asked_for_is_told_in_one_line_before_anything_is_sent(
    server: HostileServer, client: Any, url: Any, options: dict[str, Any], words: str
) -> None:
    with pytest.raises((TypeError, ValueError), match=f"^{words}"):
        client.post(url, **options)
    assert server.connections == 0


@pytest.mark.parametrize("method", [None, b"GET", 5])
def test_a_method_that_is_no_text_is_told_in_one_line(
    server: HostileServer, client: Any, method: Any
) -> None:
    for options in ({}, {"data": "body"}):
        with pytest.raises(TypeError, match=f"^the method is {method!r}: give a str"):
            client.request(method, "/", **options)
    assert server.connections == 0


def test_the_url_of_a_response_has_its_parameters(server: HostileServer, client: Any) -> None:
    response = client.get("/x?a=1", params={"b": 2})
    assert response.url == f"{server.url}/x?a=1&b=2"
    assert sent(server)[0] == "/x?a=1&b=2"


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"content-length": "3"}, "the header content-length says '3', and the body has 4 bytes"),
        ({"Transfer-Encoding": "chunked"}, "the header Transfer-Encoding cannot be given with a body"),
    ],
)
def test_a_header_that_gives_the_body_another_end_is_refused(
    server: HostileServer, headers: dict[str, str], words: str
) -> None:
    with visit(server.url) as (client, _):
        with pytest.raises(ValueError, match=words):
            client.post("/", data="body", headers=headers)
        client.post("/", data="body", headers={"Content-Length": 4})
    assert sent(server)[2] == b"body"
    assert server.connections == 1


def test_a_body_does_not_wait_to_be_asked_for_but_by_locusts_client(server: HostileServer) -> None:
    def script(peer: Peer) -> None:
        head = peer.request_head()
        with gevent.Timeout(0.2, False):
            peer.request()
        at_once.append(b"body" in (server.requests or [head])[-1])
        peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        if not server.requests:
            peer.request()
        peer.send(ok())

    at_once: list[bool] = []
    server.script = script
    for proxy in ({}, {"proxy_host": "127.0.0.1", "proxy_port": server.port}):
        with visit(server.url, **proxy) as (client, reports):
            assert client.post("/", data=b"body", headers={"Expect": "100-continue"}).text == "ok"
            assert reports.last["exception"] is None
            assert server.requests.pop().endswith(b"\r\n\r\nbody")
    assert at_once == [True, False]


def test_a_path_may_be_any_part_of_a_host_that_has_a_path(server: HostileServer) -> None:
    with visit(f"{server.url}/api") as (client, _):
        client.get(".json")
    assert sent(server)[0] == "/api.json"


def test_a_redirect_to_an_empty_location_is_the_response(server: HostileServer) -> None:
    server.script = answers(b"HTTP/1.1 302 Found\r\nLocation: \r\nContent-Length: 0\r\n\r\n")
    with visit(server.url) as (client, reports):
        assert client.get("/").status_code == 302
    assert (len(server.requests), reports.last["exception"]) == (1, None)


@pytest.mark.parametrize(
    ("headers", "body", "text"),
    [
        (("Content-Type: text/html", "Content-Type: text/html; charset=utf-8"), "\u00fc".encode(), "\u00fc"),
        (("Content-Type: text/html; charset=idna",), b"ok", "ok"),
        (("Content-Type: text/html; charset=unheard-of",), "\u00fc".encode(), "\u00fc"),
        (("Content-Type: image/png", "Content-Type: application/x-own"), b"ok", "ok"),
        ((), b"", ""),
    ],
)
def test_a_text_is_read_whatever_its_headers_say(
    server: HostileServer, client: Any, headers: tuple[str, ...], body: bytes, text: str
) -> None:
    server.script = answers(ok(body, *headers))
    assert client.get("/").text == text
    with client.get("/", catch_response=True) as response:
        assert response.text == text
    response = client.get("/")
    response.encoding = "utf-16"
    assert response.text == body.decode("utf-16", "replace")


def test_a_response_that_did_not_come_has_no_text_and_no_json() -> None:
    for host in ("http://127.0.0.1:1", "https://127.0.0.1:1"):
        with visit(host) as (client, _):
            for response in (client.get("/"), client.get("/", catch_response=True)):
                assert response.text is None
                with pytest.raises(ValueError, match="Expecting value"):
                    response.json()


@pytest.mark.parametrize("size", [1, 2, 5, 1024, None])
def test_pieces_of_a_text_are_text_wherever_they_end(
    server: HostileServer, client: Any, size: int | None
) -> None:
    text = "a\u00fc\u20ac\U0001f600" * 300 + "\n" + "\u00fc" * 700
    server.script = answers(ok(text.encode()))
    for stream in (False, True):
        assert "".join(client.get("/", stream=stream).iter_content(size)) == text
        pieces = list(client.get("/", stream=stream).iter_content(size, decode_content=False))
        assert b"".join(pieces) == text.encode()
        assert len(pieces[0]) == (size or len(text.encode()))
    assert list(client.iter_lines("/")) == text.split("\n")


@pytest.mark.parametrize("body", [b"\xff\xfe\xfd", b"ab\xc3", b"\xc3"])
def test_pieces_of_what_is_no_text_are_bytes_and_none_is_lost(
    server: HostileServer, client: Any, body: bytes
) -> None:
    server.script = answers(ok(body))
    pieces = list(client.get("/").iter_content(2))
    assert b"".join(piece if isinstance(piece, bytes) else piece.encode() for piece in pieces) == body
    assert isinstance(pieces[-1], bytes)


def test_json_that_is_not_in_unicode_is_read_as_its_header_says(server: HostileServer, client: Any) -> None:
    server.script = answers(
        ok('"\u00fc"'.encode("latin-1"), "Content-Type: application/json; charset=latin-1")
    )
    assert client.get("/").json() == "\u00fc"


@pytest.mark.parametrize("name", ["headers", "auth", "verify", "cert", "proxies", "cookies", "params"])
def test_what_is_set_on_an_http_session_is_refused_with_what_to_do_instead(client: Any, name: str) -> None:
    with pytest.raises(AttributeError, match=f"Session' object has no attribute '{name}': .+"):
        setattr(client, name, {})
    with pytest.raises(AttributeError, match=f"Session' object has no attribute '{name}': .+"):
        getattr(client, name)
    assert not hasattr(client, name)


@pytest.mark.parametrize("name", ["cookies", "reason", "iter_lines", "raw", "links", "apparent_encoding"])
def test_what_a_response_of_http_user_has_besides_is_told_with_where_it_is(
    server: HostileServer, name: str
) -> None:
    with (
        visit(server.url) as (client, _),
        client.get("/", catch_response=True) as response,
        pytest.raises(AttributeError, match=f"Response' object has no attribute '{name}': .+"),
    ):
        getattr(response, name)


def test_credentials_in_a_url_are_sent_and_not_shown(server: HostileServer) -> None:
    for proxy in ({}, {"proxy_host": "127.0.0.1", "proxy_port": server.port}):
        with visit(server.url, **proxy) as (client, reports):
            client.get(f"{server.url.replace('//', '//user:secret@')}/x")
            assert "Authorization: Basic dXNlcjpzZWNyZXQ=" in sent(server)[1]
            assert (reports.last["name"], reports.last["url"]) == (f"{server.url}/x", f"{server.url}/x")
            client.get(f"{server.url.replace('//', '//:secret@')}/x")
            assert "Authorization: Basic OnNlY3JldA==" in sent(server)[1]
            assert (reports.last["name"], reports.last["url"]) == (f"{server.url}/x", f"{server.url}/x")
            client.get("/to?u=http://user:secret@shop.test/")
            assert sent(server)[0] == "/to?u=http://user:secret@shop.test/"
            assert "Authorization" not in str(sent(server)[1])
            with pytest.raises(ValueError, match="does not begin with /") as refused:
                client.get("ftp://user:secret@shop.test/")
            assert "secret" not in str(refused.value)


def test_credentials_of_the_host_go_nowhere_else_by_either_client(server: HostileServer) -> None:
    host = server.url.replace("//", "//user:secret@")
    for proxy in ({}, {"proxy_host": "127.0.0.1", "proxy_port": server.port}):
        with visit(host, **proxy) as (client, _), HostileServer(answers(ok())) as other:
            client.get("/")
            assert "Authorization: Basic dXNlcjpzZWNyZXQ=" in sent(server)[1]
            client.get("/", headers={"authorization": "Bearer x"})
            assert "authorization: Bearer x" in sent(server)[1]
            client.get(f"{other.url}/")
            received = (other.requests or server.requests)[-1]
            assert b"uthorization" not in received


def test_a_slash_at_the_end_of_the_host_is_not_doubled_by_locusts_client_either(
    server: HostileServer,
) -> None:
    with visit(f"{server.url}/", proxy_host="127.0.0.1", proxy_port=server.port) as (client, _):
        client.get("/x")
        assert sent(server)[0] == "/x"
    with visit(f"{server.url}/") as (client, _):
        client.post("/up", files={"file": b"text"})
        assert sent(server)[0] == "/up"
