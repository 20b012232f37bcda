"""The one-line grammar of a service level objective."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm_ext.slo import Slo


@pytest.mark.parametrize(
    ("text", "limit_seconds", "share"),
    [
        ("500ms:95%", 0.5, 0.95),
        ("0.5s:99%", 0.5, 0.99),
        ("2s:100%", 2.0, 1.0),
        (" 250 ms : 99.9 % ", 0.25, 0.999),
        ("0.1ms:1%", 0.0001, 0.01),
    ],
)
def test_a_limit_and_a_share_are_read(text: str, limit_seconds: float, share: float) -> None:
    assert Slo.parse(text) == Slo(limit_seconds, share)


@pytest.mark.parametrize(
    "text",
    ["", "500ms", "95%", "500:95%", "500ms:95", "-1ms:95%", "1h:95%", "0ms:95%", "1s:0%", "1s:101%", "nanms:95%",
     "1e3ms:95%", "500ms:95%:x", "\u0665s:95%"],
)  # fmt: skip
def test_anything_else_is_refused_in_one_line_that_shows_how(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(repr(text))) as refused:
        Slo.parse(text)
    assert "500ms:95%" in str(refused.value)
    assert "\n" not in str(refused.value)


@given(st.integers(1, 100_000), st.integers(1, 1000))
def test_its_text_reads_back_as_itself(milliseconds: int, permille: int) -> None:
    slo = Slo.parse(f"{milliseconds}ms:{permille / 10}%")
    assert Slo.parse(str(slo)) == slo


def test_it_names_its_limit_in_words() -> None:
    assert Slo(0.5, 0.95).limit == "500 ms"
    assert Slo(1.5, 0.95).limit == "1.5 s"
