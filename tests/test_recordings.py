"""Recorded rates and arrivals are read from the CSV files that people have, and mistakes in them are told in one line."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING

import pytest

from swarm_ext import recordings
from swarm_ext.recordings import read_rates, read_trace

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "recorded.csv"


def instants(file: Path, text: str) -> list[float]:
    file.write_text(text)
    trace = read_trace(file)
    return [round(trace[number], 6) for number in range(len(trace))]


@pytest.mark.parametrize(
    "text",
    [
        "1.5\n2\n4.25\n",
        "1.5\r\n2\r\n4.25",
        "timestamp\n1.5\n2\n4.25\n",
        "\ufeffTime,status\n1.5,200\n2,500\n4.25,200\n",
        "status,timestamp\nok,1.5\nok,2\nok,4.25\n",
        "status;timestamp\nok;1.5\nok;2\n\nok;4.25\n",
        "1.5\tGET /a\n2\tGET /b\n4.25\tGET /c\n",
        '"timestamp","path"\n"1.5","/a,b"\n"2","/"\n"4.25","/"\n',
        "4.25\n1.5\n2\n",
        "when\n1700000001.5\n1700000002\n1700000004.25\n",
        "2026-03-14T09:26:53.5Z\n2026-03-14T09:26:54Z\n2026-03-14T09:26:56.25Z\n",
        "timestamp\n2026-03-14 09:26:53.500\n2026-03-14 09:26:54\n2026-03-14 09:26:56.250\n",
        "2026-03-14T09:26:53.5Z\n2026-03-14T10:26:54+01:00\n2026-03-14T09:26:56.25Z\n",
    ],
)
def test_whatever_a_file_of_arrivals_looks_like_the_same_is_read(file: Path, text: str) -> None:
    assert instants(file, text) == [0, 0.5, 2.75]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has no arrivals: give one in each row"),
        ("timestamp\n", "has no arrivals"),
        ("who,when\na,1\n", "line 1: 'who, when' does not begin with a time, nor name the columns: give a column 'timestamp'"),
        ("1\n2\nx\n", "line 3: 'x' is not a time in seconds, such as 12.5"),
        ("1\n2026-03-14T09:26:53Z\n", "line 2: '2026-03-14T09:26:53Z' is not a time in seconds"),
        ("2026-03-14T09:26:53Z\n12\n", "line 2: '12' is not a time, such as"),
        ("nan\n1\n", "line 1: 'nan' is not a time"),
        ("inf,1\n2,1\n", "line 1: 'inf' is not a time"),
        ("1\nnan\n", "line 2: 'nan' is not a time"),
        ("1\n1e999\n", "line 2: '1e999' is not a time"),
        ("a,timestamp\nx,1\ny\n", "line 3: 'y' has 1 columns, too few: give a column 'timestamp'"),
        ("1\n" + "2" * 70_000, "line 2: more than 65536 characters"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_file_is_one_line_with_its_place_and_a_remedy(
    file: Path, text: str, words: str
) -> None:
    file.write_text(text)
    with pytest.raises(ValueError, match=r"recorded\.csv") as error:
        read_trace(file)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_files_that_cannot_be_read_are_told_in_one_line(file: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"cannot be read \(no such file or directory\): give a CSV file"):
        read_trace(file)
    with pytest.raises(ValueError, match=r"cannot be read \(is a directory\)"):
        read_trace(tmp_path)
    file.write_bytes(b"1\n\xff\xfe\n")
    with pytest.raises(ValueError, match="is not text in UTF-8"):
        read_trace(file)


def test_more_arrivals_than_are_allowed_are_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recordings, "MOST_ARRIVALS", 3)
    assert instants(file, "1\n2\n3\n") == [0, 1, 2]
    file.write_text("1\n2\n3\n4\n5\n")
    with pytest.raises(ValueError, match="line 4: one arrival too many: give at most 3"):
        read_trace(file)


def test_a_file_is_read_anew_only_when_it_has_changed(file: Path) -> None:
    file.write_text("1\n2\n")
    first = read_trace(file)
    assert read_trace(file) is first
    assert instants(file, "1\n2\n3.5\n") == [0, 1, 2.5]


def test_many_arrivals_are_read_in_little_memory(file: Path) -> None:
    rows = 100_000
    with file.open("w") as out:
        out.writelines(f"{(k * 7919) % rows},some,other,columns\n" for k in range(rows))
    tracemalloc.start()
    try:
        trace = read_trace(file)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(trace) == rows
    assert peak < 60 * rows, f"{peak / rows:.0f} bytes an arrival"


@pytest.mark.parametrize(
    "text",
    ["0,10\n60,10\n60,50\n180,50\n", "time,rate\n0,10\n60,10\n60,50\n180,50\n", "rate;time\n10;0\n10;60\n50;60\n50;180\n",
     "time;rate;what, if anything\n0;10;\n60;10;\n60;50;\n180;50;\n"],
)  # fmt: skip
def test_two_rows_of_one_time_are_a_step(file: Path, text: str) -> None:
    file.write_text(text)
    assert read_rates(file).text == "10@60s,50@120s"


def test_between_rows_rates_go_in_a_straight_line_from_the_first_time_on(file: Path) -> None:
    file.write_text(
        "timestamp,value\n2026-03-14T09:00:00Z,0\n2026-03-14T09:01:00Z,60\n2026-03-14T09:01:30Z,0\n"
    )
    profile = read_rates(file)
    assert profile.text == "0..60@60s,60..0@30s"
    assert profile.rate_at(30) == 30


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0,10\n", "has no two rows of different times"),
        ("5,10\n5,20\n", "has no two rows of different times"),
        ("0\n1\n", "line 1: '0' has 1 of 2 columns"),
        ("0,10\n60,-1\n", "line 2: '-1' is not a rate: give arrivals per second, 0 or above"),
        ("0,10\n60,20\n30,5\n", "line 3: 30 is before the row above: sort the rows by time"),
        ("0,0\n60,0\n", "asks for no arrivals"),
        ("0;1,5\n60;3,5\n", "line 1: '1,5' is not a rate"),
        ("0,5\n1e-320,5\n", "duration is 1e-320; it must be a finite number above 0"),
        ("a,b\n0,10\n", "line 1: 'a, b' does not begin with a time, nor name the columns: give a column 'timestamp' and"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_file_of_rates_is_one_line(file: Path, text: str, words: str) -> None:
    file.write_text(text)
    with pytest.raises(ValueError, match=r"recorded\.csv") as error:
        read_rates(file)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_more_rates_than_are_allowed_are_refused(file: Path) -> None:
    file.write_text("".join(f"{k},1\n" for k in range(recordings.MOST_RATES + 1)))
    with pytest.raises(ValueError, match=f"line {recordings.MOST_RATES + 1}: one row too many"):
        read_rates(file)
