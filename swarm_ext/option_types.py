"""What a single option's text may be: each function turns one text into one value, or says in one line why it cannot.

They raise `argparse.ArgumentTypeError`, whose text names the value, the rule and an example that would do; argparse adds
the option's name. They take text only, so that a command line, a configuration file and a web form obey the same rules.
"""

from __future__ import annotations

import math
import re
from argparse import ArgumentTypeError
from pathlib import Path
from urllib.parse import urlsplit

from swarm_ext.web_address import without_credentials


def _number(text: str, rule: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not a number: {rule}") from None
    if not math.isfinite(number):
        raise ArgumentTypeError(f"{text!r} is not a finite number: {rule}")
    return number


def _whole(text: str, rule: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not a whole number: {rule}") from None


def _above_zero(text: str, rule: str) -> float:
    number = _number(text, rule)
    if number <= 0:
        raise ArgumentTypeError(f"{text!r} is not above 0: {rule}")
    return number


def rate(text: str) -> float:
    """Return a rate in 1/s, above 0."""
    return _above_zero(text, "give arrivals per second, above 0, such as 20")


def positive_seconds(text: str) -> float:
    """Return a duration in seconds, above 0."""
    return _above_zero(text, "give seconds, above 0, such as 0.5")


def positive(text: str) -> float:
    """Return a number above 0."""
    return _above_zero(text, "give a number above 0, such as 0.6")


def speed(text: str) -> float:
    """Return how many times as fast something shall go: as much slower or faster as nanoseconds are from seconds."""
    rule = "give a factor from 1e-9 to 1e9, such as 2"
    number = _above_zero(text, rule)
    if not 1e-9 <= number <= 1e9:
        raise ArgumentTypeError(f"{text!r} is out of range: {rule}")
    return number


def seconds(text: str) -> float:
    """Return a duration in seconds, 0 or more."""
    rule = "give seconds, 0 or more, such as 10"
    number = _number(text, rule)
    if number < 0:
        raise ArgumentTypeError(f"{text!r} is negative: {rule}")
    return number


def cores(text: str) -> float:
    """Return a number of cores for one process, above 0 and at most 1."""
    rule = "give cores of one process, above 0 and at most 1, such as 0.25"
    number = _number(text, rule)
    if not 0 < number <= 1:
        raise ArgumentTypeError(f"{text!r} is out of range: {rule}")
    return number


def count(text: str) -> int:
    """Return a whole number, 1 or more."""
    return _at_least(1, text, "give a whole number, 1 or more, such as 500")


def port(text: str) -> int:
    """Return the number of a TCP port."""
    rule = "give a port's number, 1 to 65535, such as 70"
    number = _whole(text, rule)
    if not 1 <= number <= 65535:
        raise ArgumentTypeError(f"{text!r} is out of range: {rule}")
    return number


def seed(text: str) -> int:
    """Return a whole number, 0 or more."""
    return _at_least(0, text, "give a whole number, 0 or more, such as 42")


def _at_least(least: int, text: str, rule: str) -> int:
    number = _whole(text, rule)
    if number < least:
        raise ArgumentTypeError(f"{text!r} is below {least}: {rule}")
    return number


SMALLEST_SIZE_BYTES = 20_000_000
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}


def size(text: str) -> int:
    """Return a size in bytes, from `500MB`, `1.5 GB` or a number of bytes; 20 MB or more."""
    rule = "give a size of at least 20MB, such as 500MB or 2GB"
    found = re.fullmatch(r"\s*([0-9.]+)\s*([kmgt]?b?)\s*", text, re.IGNORECASE)
    if found is None:
        raise ArgumentTypeError(f"{text!r} is not a size: {rule}")
    found_bytes = int(_number(found[1], rule) * _UNITS[found[2].lower().removesuffix("b")])
    if found_bytes < SMALLEST_SIZE_BYTES:
        raise ArgumentTypeError(f"{text!r} is too small: {rule}")
    return found_bytes


def path(text: str) -> str:
    """Return a URL path, which begins with a slash."""
    if not text.startswith("/") or any(c.isspace() for c in text):
        raise ArgumentTypeError(
            f"{text!r} is not a path: it begins with a slash and has no spaces, such as /primecheck"
        )
    return text


def url(text: str) -> str:
    """Return an http or https URL."""
    rule = "give http:// or https://, a host and maybe a port and a path, such as http://localhost:8000/primecheck"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        why = "" if "@" in text else f" ({error})"  # which would quote what may be half a password
        raise ArgumentTypeError(f"{without_credentials(text)!r} is not a URL{why}: {rule}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise ArgumentTypeError(f"{without_credentials(text)!r} is not a URL: {rule}")
    return text


def tags(text: str) -> dict[str, str]:
    """Return {name: value} from `name=value,name=value`."""
    pairs = [part.strip() for part in text.split(",") if part.strip()]
    wrong = [pair for pair in pairs if not pair.partition("=")[0].strip() or "=" not in pair]
    if wrong:
        raise ArgumentTypeError(
            f"{wrong[0]!r} is not a tag: give name=value, several with commas, such as branch=main"
        )
    return {name.strip(): value.strip() for name, _, value in (pair.partition("=") for pair in pairs)}


def output_file(text: str) -> str:
    """Return the path of a file that can be written: not a folder, in a folder that exists."""
    file = Path(text)
    if file.is_dir():
        raise ArgumentTypeError(f"{text!r} is a folder: give a file to write, such as report.html")
    if not file.parent.is_dir():
        raise ArgumentTypeError(
            f"{text!r} cannot be written: there is no folder {str(file.parent)!r}; make it first"
        )
    return text
