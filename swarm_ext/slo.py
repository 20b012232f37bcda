"""A service level objective: which share of the arrivals must be answered within which time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

_GRAMMAR = re.compile(
    r"\s*(?P<limit>\d+(?:\.\d+)?)\s*(?P<unit>ms|s)\s*:\s*(?P<share>\d+(?:\.\d+)?)\s*%\s*", re.ASCII
)
_RULE = "give a time in ms or s, a colon and a percentage, such as 500ms:95%"


@dataclass(frozen=True)
class Slo:
    """At least `share` (0 < share ≤ 1) of the arrivals are answered, without failure, within `limit_seconds`."""

    limit_seconds: float
    share: float

    @classmethod
    def parse(cls, text: str) -> Slo:
        """Return the objective that `500ms:95%` or `0.5s:99%` means; raise ValueError, in one line, for anything else."""
        match = _GRAMMAR.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is not an SLO: {_RULE}")
        limit = Fraction(match["limit"]) / (1000 if match["unit"] == "ms" else 1)
        percent = Fraction(match["share"])
        if limit == 0:
            raise ValueError(f"{text!r} allows no time at all: {_RULE}")
        if not 0 < percent <= 100:
            raise ValueError(
                f"{text!r} asks for {match['share']} %, and only above 0 up to 100 can be: {_RULE}"
            )
        return cls(float(limit), float(percent / 100))

    @property
    def limit(self) -> str:
        """The limit in words: `500 ms`, or `1.5 s` from one second on."""
        if self.limit_seconds < 1:
            return f"{self.limit_seconds * 1000:.12g} ms"
        return f"{self.limit_seconds:.12g} s"

    def __str__(self) -> str:
        """Return the text that parses to this objective."""
        return f"{self.limit.replace(' ', '')}:{self.share * 100:.12g}%"
