"""Web addresses: what is read out of them, and that a password in one is never shown."""

from __future__ import annotations

import subprocess
import sys
from base64 import b64decode

import pytest

from swarm_ext.web_address import basic_auth, host_and_port, in_brackets, without_credentials


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://u:p@a:70", "http://a:70"),
        ("http://u@a", "http://a"),
        ("http://u:p@ss%2F@a:70", "http://a:70"),
        ("https://u:p@[::1]:70/x", "https://[::1]:70/x"),
        ("//u:p@a", "//a"),
        ("u:p@a:70", "a:70"),
        ("ssh://root@a", "ssh://a"),
    ],
)
def test_credentials_are_taken_out_of_what_is_shown(url: str, shown: str) -> None:
    assert without_credentials(url) == shown


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://a:70",
        "http://a/x@y",
        "http://a:70/x@y",
        "http://a:70?to=x@y",
        "http://a#x@y",
        "http://[::1]:70/x@y",
        "http://a/x//b@c",
        "/basket/x:y@z",
        "/basket//x@y",
        "?to=x:y@z",
        "x@y",
        "unix:///run/docker@home.sock",
    ],
)
def test_what_stands_in_a_path_or_query_is_shown(url: str) -> None:
    assert without_credentials(url) == url


@pytest.mark.parametrize("secret", ["se/cret", "se?cret", "se#cret", "se\ncret", "s//e:c@ret"])
@pytest.mark.parametrize("scheme", ["http://", ""])
def test_a_password_that_is_not_percent_encoded_is_not_shown(scheme: str, secret: str) -> None:
    assert without_credentials(f"{scheme}u:{secret}@a:70/x") == f"{scheme}a:70/x"


@pytest.mark.parametrize(
    ("name", "password", "sent"),
    [
        ("name", "pass", b"name:pass"),
        ("n\u00e4me", "pass", b"n\xe4me:pass"),
        ("name", "\u20ac", b"name:\xe2\x82\xac"),
        (b"n\xc3\xa4me", b"", b"n\xc3\xa4me:"),
    ],
)
def test_a_name_and_password_are_sent_as_basic_credentials(
    name: str | bytes, password: str | bytes, sent: bytes
) -> None:
    scheme, _, pair = basic_auth(name, password).partition(" ")
    assert (scheme, b64decode(pair)) == ("Basic", sent)


def test_an_ipv6_address_stands_in_brackets_before_a_port() -> None:
    assert [in_brackets(host) for host in ("::1", "127.0.0.1", "node-1")] == ["[::1]", "127.0.0.1", "node-1"]


def test_a_urls_host_and_port_name_it() -> None:
    assert host_and_port("http://u:p@Node-1:70/x") == "node-1:70"
    assert host_and_port("https://a") == "a:443"
    assert host_and_port("http://[::1]:70") == "[::1]:70"


def test_a_command_that_reads_web_addresses_does_not_load_locust() -> None:
    script = "import sys, swarm_ext.cadvisor, swarm_ext.web_address; sys.exit('locust' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=60).returncode == 0
