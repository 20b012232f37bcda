"""What was recorded elsewhere, read from CSV files: rates over time, and the instants of arrivals. I/O, on the master only.

A file has a line each, with commas, semicolons or tabs between its columns (the mark that comes first), and a line with
their names if one likes. Times are seconds, or ISO 8601 (without a zone: UTC); they count from the first one. Other
columns are ignored. What is wrong is a ValueError that names file, line, rule and remedy.
"""

from __future__ import annotations

import csv
import math
from array import array
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

from swarm_ext.arrivals.rate_profile import Piece, Ramp, RateProfile
from swarm_ext.arrivals.trace import Trace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import TextIO

LONGEST_LINE = 65_536
MOST_RATES = 10_000
MOST_ARRIVALS = 10_000_000
TIME_NAMES = ("timestamp", "time", "seconds", "t")
RATE_NAMES = ("rate", "lamb", "lambda", "value")


def read_rates(path: Path) -> RateProfile:
    """Return the profile of a file of (time, rate) rows, λ in arrivals/s: straight lines between them.

    Two rows of one time are a jump. The last row ends the profile. There may be 10,000 rows; more are refused.
    """
    times = _Times()
    points: list[tuple[float, float]] = []
    with _opened(path) as rows:
        for when, rate in rows.columns(TIME_NAMES, RATE_NAMES):
            points.append((times.seconds(when), _rate(rate)))
            if len(points) > MOST_RATES:
                raise ValueError(f"one row too many: give at most {MOST_RATES}")
            if len(points) > 1 and points[-1][0] < points[-2][0]:
                raise ValueError(f"{when} is before the row above: sort the rows by time")
    if not points or points[-1][0] == points[0][0]:
        raise ValueError(
            f"{str(path)!r} has no two rows of different times: give a time and a rate in each, such as 0,10 and 60,50"
        )
    try:
        pieces: list[Piece] = [
            Ramp(rate, next_rate, end - start)
            for (start, rate), (end, next_rate) in pairwise(points)
            if end > start
        ]
        return RateProfile(pieces)
    except ValueError as error:
        raise ValueError(f"{str(path)!r}: {error}") from None


def read_trace(path: Path) -> Trace:
    """Return the arrivals of a file with one in each row, in whatever order. 10 million are allowed, and take 80 MB.

    A file that has not changed since it was read last is not read again.
    """
    try:
        state = path.stat()
    except OSError as error:
        raise _unreadable(path, error) from None
    return _read_trace(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=1)
def _read_trace(path: Path, _changed: int, _size: int) -> Trace:
    times = _Times()
    seconds = array("d")
    with _opened(path) as rows:
        for (when,) in rows.columns(TIME_NAMES):
            if len(seconds) == MOST_ARRIVALS:
                raise ValueError(f"one arrival too many: give at most {MOST_ARRIVALS:,}")
            seconds.append(times.seconds(when))
    if not seconds:
        raise ValueError(
            f"{str(path)!r} has no arrivals: give one in each row, a time in seconds or ISO 8601"
        )
    return Trace(seconds, name=path.name)


@contextmanager
def _opened(path: Path) -> Iterator[_Rows]:
    rows = _Rows()
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows.file = file
            yield rows
    except OSError as error:
        raise _unreadable(path, error) from None
    except UnicodeDecodeError:
        raise ValueError(f"{str(path)!r} is not text in UTF-8: give a CSV file") from None
    except (ValueError, csv.Error) as error:
        raise ValueError(f"{str(path)!r}, line {rows.line}: {error}") from None


def _unreadable(path: Path, error: OSError) -> ValueError:
    return ValueError(
        f"{str(path)!r} cannot be read ({(error.strerror or str(error)).lower()}): give a CSV file"
    )


class _Rows:
    """The rows of a CSV file, read one by one; `line` is the number of the last one."""

    file: TextIO
    line = 0

    def columns(self, *wanted: tuple[str, ...]) -> Iterator[list[str]]:
        """Yield the wanted columns of each row; each is wanted by any of several names.

        Without a line of names they are the first ones, in this order.
        """
        lines = self._lines()
        first = next(lines, None)
        if first is None:
            return
        delimiter = next((mark for mark in first if mark in ",;\t"), ",")
        heads = next(csv.reader([first], delimiter=delimiter), [])
        places = list(range(len(wanted)))
        if not _is_time(heads[0] if heads else ""):
            places = _places([head.strip().lower() for head in heads], wanted)
        elif len(heads) < len(wanted):
            raise ValueError(f"{first.strip()!r} has {len(heads)} of {len(wanted)} columns: {_names(wanted)}")
        else:
            yield heads[: len(wanted)]
        for row in csv.reader(lines, delimiter=delimiter):
            if len(row) > max(places):
                yield [row[place] for place in places]
            elif row:
                raise ValueError(f"{delimiter.join(row)!r} has {len(row)} columns, too few: {_names(wanted)}")

    def _lines(self) -> Iterator[str]:
        while text := self.file.readline(LONGEST_LINE):
            self.line += 1
            if len(text) == LONGEST_LINE and not text.endswith("\n"):
                raise ValueError(f"more than {LONGEST_LINE} characters: give a CSV file, a row in each line")
            if text.strip():
                yield text


def _places(heads: list[str], wanted: tuple[tuple[str, ...], ...]) -> list[int]:
    if len(heads) == len(wanted) == 1:
        return [0]
    places = [next((heads.index(name) for name in names if name in heads), -1) for names in wanted]
    if -1 in places:
        raise ValueError(
            f"{', '.join(heads)!r} does not begin with a time, nor name the columns: {_names(wanted)}"
        )
    return places


def _names(wanted: tuple[tuple[str, ...], ...]) -> str:
    return "give " + " and ".join(f"a column {names[0]!r}" for names in wanted)


class _Times:
    """Reads the times of one file, which all are of the kind of the first, and counts them from it."""

    def __init__(self) -> None:
        self._read: Callable[[str], float] | None = None
        self._first = 0.0

    def seconds(self, text: str) -> float:
        """Return the seconds since the file's first time, negative for an earlier one; raise ValueError if it is none."""
        if self._read is None:
            self._read = _number if _reads(_number, text) else _iso
            self._first = self._read(text)
        return self._read(text) - self._first


def _is_time(text: str) -> bool:
    """Return whether this stands for a time, be it one that is refused: it is no heading then."""
    return _reads(float, text) or _reads(_iso, text)


def _reads(read: Callable[[str], float], text: str) -> bool:
    try:
        read(text)
    except ValueError:
        return False
    return True


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{text.strip()!r} is not a time in seconds, such as 12.5, as in the rows before")
    return number


def _iso(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text.strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise ValueError(f"{text.strip()!r} is not a time, such as 12.5 or 2026-03-14T09:26:53.5Z") from None


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = math.nan
    if not 0 <= rate < math.inf:
        raise ValueError(f"{text.strip()!r} is not a rate: give arrivals per second, 0 or above, such as 20")
    return rate
