"""Asks a database what a line for the mongo shell asks, as far as the documents' lines go: their arguments are plain JSON."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pymongo.database import Database

_CALL = re.compile(r"\.(?P<method>\w+)\(")
_PYTHON_NAMES = {"countDocuments": "count_documents"}


def ask(database: Database[dict[str, Any]], line: str) -> Any:
    """Return the answer: a list of documents, or a number."""
    collection = re.match(r"db\.(\w+)", line)
    assert collection is not None, line
    found: Any = database[collection[1]]
    at = collection.end()
    while call := _CALL.match(line, at):
        arguments, at = _arguments(line, call.end())
        if call["method"] == "sort":
            arguments = [list(arguments[0].items())]
        found = getattr(found, _PYTHON_NAMES.get(call["method"], call["method"]))(*arguments)
    assert at == len(line), f"what is {line[at:]!r}?"
    return found if isinstance(found, int) else list(found)


def _arguments(line: str, at: int) -> tuple[list[Any], int]:
    """Return the arguments that begin at a place, and the place after their closing bracket."""
    found = []
    while line[at] != ")":
        argument, at = json.JSONDecoder().raw_decode(line, at)
        found.append(argument)
        at += len(line[at:]) - len(line[at:].lstrip(", "))
    return found, at + 1
