"""What a check has found."""

from __future__ import annotations

from typing import Literal

import msgspec

Status = Literal["ok", "warning", "wrong", "not checked"]


class Finding(msgspec.Struct, frozen=True):
    """One line of the doctor's. `subject` is what was looked at, `text` what was seen, `remedy` what to do about it.

    `warning`: it works, and may not do what is expected. `not checked`: for the reason that `text` gives.
    """

    status: Status
    subject: str
    text: str
    remedy: str | None = None


def ok(subject: str, text: str) -> Finding:
    """Return that all is well."""
    return Finding("ok", subject, text)


def warning(subject: str, text: str, remedy: str) -> Finding:
    """Return that something works, and may surprise."""
    return Finding("warning", subject, text, remedy)


def wrong(subject: str, text: str, remedy: str | None = None) -> Finding:
    """Return that something has to be put right."""
    return Finding("wrong", subject, text, remedy)


def not_checked(subject: str, why: str) -> Finding:
    """Return that nothing is known, and why."""
    return Finding("not checked", subject, why)


def from_error(subject: str, error: Exception) -> Finding:
    """Return what one of our one-line errors says: behind its first semicolon is what to do."""
    text, _, remedy = " ".join(str(error).split()).partition("; ")
    return wrong(subject, text, remedy or None)
