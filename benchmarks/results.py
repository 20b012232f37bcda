"""The file of results: a section for each program, with what it was measured on. Each run renews its own section only."""

from __future__ import annotations

import json
import os
import signal
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from benchmarks.machine import describe

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

RESULTS = Path(__file__).resolve().parents[1] / "docs" / "performance.json"

Sections = dict[str, dict[str, Any]]


def add_results_option(parser: argparse.ArgumentParser) -> None:
    """Let a program be told where its results go."""
    parser.add_argument(
        "--results",
        type=Path,
        default=RESULTS,
        metavar="FILE",
        help="where results go (default: %(default)s)",
    )


def read(path: Path) -> Sections:
    """Return what is in the file; nothing if there is none."""
    sections: Sections = json.loads(path.read_text()) if path.exists() else {}
    return sections


def put(path: Path, section: str, figures: dict[str, Any]) -> None:
    """Replace one section; a reader sees the old file or the new one, never a part."""
    sections = {**read(path), section: figures}
    fresh = path.with_suffix(".new")
    fresh.write_text(as_text(dict(sorted(sections.items()))))
    fresh.replace(path)


def as_text(sections: Sections) -> str:
    """Return JSON that is good to compare: each figure on a line, and each row of a list."""
    written = []
    for name, figures in sections.items():
        lines = [f" {json.dumps(key)}: {_lines(value)}" for key, value in figures.items()]
        written.append(f"{json.dumps(name)}: {{\n" + ",\n".join(lines) + "\n}")
    return "{\n" + ",\n".join(written) + "\n}\n"


def _lines(value: Any) -> str:
    if not isinstance(value, list):
        return json.dumps(value, ensure_ascii=False)
    rows = [f"  {json.dumps(row, ensure_ascii=False)}" for row in value]
    return "[\n" + ",\n".join(rows) + "\n ]"


@contextmanager
def recorded(section: str, path: Path) -> Iterator[dict[str, Any]]:
    """Yield what is to be filled with figures; it is put into the file at the end, and also when broken off.

    Ctrl-C and SIGTERM break off: what was found until then is kept, and the exit code is 130.
    """
    machine = msgspec.to_builtins(describe())
    figures: dict[str, Any] = {}
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield figures
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    finally:
        signal.signal(signal.SIGTERM, before)
        if figures:
            put(path, section, {"machine": machine, **_rounded(figures)})


def _rounded(value: Any) -> Any:
    """Return figures with six significant digits: more are noise, and make every renewal a large change."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {name: _rounded(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(each) for each in value]
    return value


def progress(*words: object) -> None:
    """Tell on stderr how it is going."""
    os.write(2, (" ".join(map(str, words)) + "\n").encode())
