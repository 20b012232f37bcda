"""The short form of a rate profile: `10@60s,10..50@2m,sine(30,20,120s)@10m`. Pure.

- A profile is pieces, with commas between them; a piece is RATE@DURATION.
- RATE is a number of arrivals/s (a step), two with `..` between them (a ramp, in a straight line), or
  sine(MEAN,AMPLITUDE,PERIOD) (a wave, which begins at its mean and rises).
- DURATION and PERIOD are numbers with a unit, ms, s, m or h, or several such (1m30s); without one they are seconds.
"""

from __future__ import annotations

import re
from functools import lru_cache

from swarm_ext.arrivals.rate_profile import Piece, Ramp, RateProfile, Sine

EXAMPLE = "such as 10@60s,10..50@60s,sine(30,20,120s)@10m"
_NUMBER = r"(?:\d+(?:\.\d+)?|\.\d+)(?:e[+-]?\d+)?"
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(rf"({_NUMBER})(ms|s|m|h)", re.ASCII | re.IGNORECASE)
_BETWEEN_PIECES = re.compile(r",(?![^(@]*\))")
"""A comma that is not within a wave's parentheses. It looks no further than to the next @, or a long profile would take long."""


@lru_cache(maxsize=64)  # for the many users of one class
def parse_profile(text: str) -> RateProfile:
    """Return the profile that `text` stands for; raise ValueError, which names the piece, the rule and an example."""
    return RateProfile(_pieces(text))


def _pieces(text: str) -> list[Piece]:
    pieces = []
    for number, part in enumerate(_BETWEEN_PIECES.split(text), start=1):
        try:
            pieces.append(_piece("".join(part.split())))
        except ValueError as error:
            raise ValueError(f"piece {number}, {part.strip()!r}: {error}; {EXAMPLE}") from None
    return pieces


def _piece(text: str) -> Piece:
    rate, at, duration = text.rpartition("@")
    if not at or not rate:
        raise ValueError("is not RATE@DURATION: say how many arrivals/s, and for how long")
    seconds = duration_seconds(duration)
    if rate.lower().startswith("sine"):
        return _sine(rate, seconds)
    first, dots, last = rate.partition("..")
    low = _number(first)
    return Ramp(low, _number(last) if dots else low, seconds)


def _sine(text: str, seconds: float) -> Sine:
    values = text[len("sine") :].removeprefix("(").removesuffix(")").split(",")
    if len(values) != 3 or not (text[len("sine") :].startswith("(") and text.endswith(")")):
        raise ValueError("a wave is sine(MEAN,AMPLITUDE,PERIOD)@DURATION, in 1/s, 1/s and a time")
    mean, amplitude, period = values
    return Sine(_number(mean), _number(amplitude), duration_seconds(period), seconds)


def _number(text: str) -> float:
    if not re.fullmatch(_NUMBER, text, re.ASCII | re.IGNORECASE):
        raise ValueError(f"{text!r} is not a rate, a number of arrivals/s, 0 or above")
    return float(text)


def duration_seconds(text: str) -> float:
    """Return a duration in seconds, from `90s`, `1m30s`, `500ms` or `90`; raise ValueError if it is none."""
    if re.fullmatch(_NUMBER, text, re.ASCII | re.IGNORECASE):
        return float(text)
    if not re.fullmatch(rf"(?:{_PART.pattern})+", text, re.ASCII | re.IGNORECASE):
        raise ValueError(f"{text!r} is not a duration, such as 90s, 1m30s or 500ms")
    return sum(float(number) * _UNITS[unit.lower()] for number, unit in _PART.findall(text))
