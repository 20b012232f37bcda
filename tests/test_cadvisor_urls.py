"""The URLs that `--cadvisor` takes, and one readable line for each that it does not."""

from __future__ import annotations

import pytest

from swarm_ext.sampling.cadvisor_urls import parse_urls


def test_urls_are_split_trimmed_and_kept_in_order() -> None:
    assert parse_urls(" http://a:70/ ,https://b,http://[::1]:70/x") == [
        "http://a:70",
        "https://b",
        "http://[::1]:70/x",
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("http://a:70,", "empty"),
        ("a:70", "http:// or https://"),
        ("//a:70", "http:// or https://"),
        ("ftp://u:secret@a:70", "http:// or https://"),
        ("http://", "no host|http:// or https://"),
        ("http://:70", "no host"),
        ("http://u:secret@:70", "no host"),
        ("http://a:70000", "Port out of range"),
        ("http://a:x", "Port could not be cast"),
        ("http://u:sec/ret@a:70", "it is no URL"),
        ("http://u:sec?ret@a:70", "it is no URL"),
        ("http://a:0", "port 0"),
        ("http://[::1:70", "Invalid IPv6"),
        ("http://a:70?x=1", "no query"),
        ("http://a:70#x", "no fragment"),
        ("http://a b:70", "spaces"),
        ("http://a:70\n", None),
        ("http://a\x00:70", "control"),
        ("http://a:70,http://a:70/", "twice"),
    ],
)
def test_a_bad_url_is_refused_in_one_line_without_its_password(text: str, says: str | None) -> None:
    if says is None:
        assert parse_urls(text) == ["http://a:70"]
        return
    with pytest.raises(ValueError, match=says) as caught:
        parse_urls(text)
    assert "\n" not in str(caught.value)
    assert "sec" not in str(caught.value)
