"""Numbers as people read them."""

import pytest

from reports import words


@pytest.mark.parametrize(
    ("share", "text"),
    [(None, "–"), (0, "0 %"), (1, "100 %"), (0.9999, "> 99.9 %"), (0.0001, "< 0.1 %"), (0.75, "75 %"), (0.986, "98.6 %"),
     (0.9299, "92.9 %"), (0.0301, "3 %"), (0.999, "99.9 %"), (0.425, "42 %")],
)  # fmt: skip
def test_a_share_is_never_rounded_up_to_all_or_down_to_nothing(share: float | None, text: str) -> None:
    assert words.percent(share) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "–"), (0.0, "0 ms"), (0.00071, "0.71 ms"), (0.0049, "4.9 ms"), (0.118, "118 ms"), (0.9999, "1 s"), (7.53, "7.5 s"),
     (94, "94 s"), (120, "2 min"), (3599, "59 min 59 s")],
)  # fmt: skip
def test_a_duration_has_its_natural_unit(seconds: float | None, text: str) -> None:
    assert words.duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"), [(None, "–"), (float("nan"), "–"), (0.0341, "0.0341"), (59.81, "59.8"), (18314.2, "18,314"), (1e-5, "0.00001"), (0, "0")]
)  # fmt: skip
def test_a_number_has_three_digits_that_count(value: float | None, text: str) -> None:
    assert words.number(value) == text


def test_counts_and_plurals() -> None:
    assert words.count(586698) == "586,698"
    assert words.plural(1, "second") == "1 second"
    assert words.plural(2000, "second") == "2,000 seconds"
    assert words.after(None) == "–"
    assert words.after(5.23) == "5.2 s"
