"""Reads the documents' fenced blocks and runs them, as somebody would who copies them one after the other.

A block's language says what is done with it:

- `bash`: run to its end, which must be a success;
- `console`: each line after `$ ` is run; the lines below it must be printed, in that order, `…` standing for anything;
  `^C` below a command ends it by Ctrl-C once they were; `make` is only asked what it would do;
- `python`, `ini`, `toml`: written to a file where the first line names one, `# shop.py`; other Python is run;
- `pycon`: a session whose results must come out as shown;
- `sql`: each statement is put to the store, and must return something; so is each line of `js` to MongoDB;
- `text`: for readers only: what needs other machines, and pictures.
"""

from __future__ import annotations

import doctest
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pymongo import MongoClient

from tests.integration.bench import ROOT
from tests.integration.mongo_shell import ask

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

DOCUMENTS = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
ON_A_SWARM = (ROOT / "docs" / "stack.md",)
"""Pages whose examples need the test bed."""

WITH_A_DATABASE = ROOT / "docs" / "mongodb.md"
"""The page whose examples need a MongoDB server."""

PATIENCE_SECONDS = 120.0
ENDING_SECONDS = 30.0
_FENCED = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE_NAME = re.compile(r"# (?P<name>[\w.-]+\.(?:py|conf|toml))\n")


@dataclass(frozen=True)
class Block:
    """A fenced block, and where it is."""

    document: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.document.name}, line {self.line}"


def blocks(document: Path) -> list[Block]:
    text = document.read_text()
    return [
        Block(document, text.count("\n", 0, found.start()) + 1, found["language"], found["text"])
        for found in _FENCED.finditer(text)
    ]


@dataclass
class Reader:
    """Somebody who tries the documents out in a folder. `replaced`: what stands in the documents, and stands for here."""

    folder: Path
    environment: Mapping[str, str]
    replaced: Mapping[str, str]
    patience_seconds: float = PATIENCE_SECONDS

    def follow(self, block: Block) -> None:
        """Do what the block's language says; raise AssertionError, which names the block, if it does not work."""
        text = block.text
        for shown, meant in self.replaced.items():
            text = text.replace(shown, meant)
        named = _FILE_NAME.match(text)
        if named:
            (self.folder / named["name"]).write_text(text)
        else:
            getattr(self, f"_{block.language}")(text, str(block))

    def _text(self, text: str, where: str) -> None:
        pass

    def _bash(self, text: str, where: str) -> None:
        self._end(self._start(["bash", "-euo", "pipefail", "-c", text]), where)

    def _python(self, text: str, where: str) -> None:
        self._end(self._start([sys.executable, "-W", "error", "-c", text]), where)

    def _pycon(self, text: str, where: str) -> None:
        session = doctest.DocTestParser().get_doctest(text, {}, where, where, 0)
        printed: list[str] = []
        doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(session, out=printed.append)
        assert not printed, "".join(printed)

    def _sql(self, text: str, where: str) -> None:
        with closing(sqlite3.connect(f"file:{self.folder}/swarm-ext.db?mode=ro", uri=True)) as database:
            for statement in filter(str.strip, text.split(";")):
                assert database.execute(statement).fetchall(), f"{where}: nothing is returned by {statement}"

    def _js(self, text: str, where: str) -> None:
        with MongoClient[dict[str, Any]](f"mongodb://{self.replaced['localhost:27017']}/swarm_ext") as client:
            for line in text.splitlines():
                answer = ask(client.get_default_database(), line)
                assert answer, f"{where}: nothing is returned by {line}"

    def _console(self, text: str, where: str) -> None:
        for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
            command, *lines = part.splitlines()
            if command.startswith("make "):
                self._bash(f"{command} --dry-run --directory {ROOT} >/dev/null", where)
                continue
            shown = [line for line in lines if line.strip() not in ("", "^C", "…")]
            process = self._start(["bash", "-c", f"exec {command}"])
            interrupted = "^C" in lines
            if interrupted:
                self._wait_for(process, shown)
                os.killpg(process.pid, signal.SIGINT)
            output = self._end(process, where, success=not interrupted)
            assert not (absent := not_in(output, shown)), f"{where}: {absent!r} is not printed:\n{output}"

    def _wait_for(self, process: subprocess.Popen[bytes], shown: list[str]) -> None:
        deadline = time.monotonic() + self.patience_seconds
        while not_in(self._log(process).read_text(errors="replace"), shown) and process.poll() is None:
            if time.monotonic() > deadline:
                return
            time.sleep(0.1)

    def _start(self, command: list[str]) -> subprocess.Popen[bytes]:
        pending = self.folder / "output.log"
        with pending.open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        pending.rename(self._log(process))
        return process

    def _log(self, process: subprocess.Popen[bytes]) -> Path:
        return self.folder / f"output-{process.pid}.log"

    def _end(self, process: subprocess.Popen[bytes], where: str, *, success: bool = True) -> str:
        """Wait for the end of a command and of all that it started; return what they printed."""
        try:
            code = process.wait(self.patience_seconds)
        except subprocess.TimeoutExpired:
            code = None
        left = _killed(process.pid)
        process.wait()
        output = self._log(process).read_text(errors="replace")
        assert code is not None, f"{where}: still running after {self.patience_seconds:g} s:\n{output}"
        assert not left, f"{where}: leaves processes behind:\n{output}"
        assert code == 0 or not success, f"{where}: exit code {code}:\n{output}"
        return output


def _killed(group: int) -> bool:
    """Give what is left of a process group its time to end, then end it; return whether that was needed."""
    deadline = time.monotonic() + ENDING_SECONDS
    try:
        while time.monotonic() < deadline:
            os.killpg(group, 0)
            time.sleep(0.05)
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def not_in(output: str, shown: list[str]) -> str | None:
    """Return the first of the lines shown that does not come, in their order, in an output; None if all do."""
    printed = iter(output.splitlines())
    for line in shown:
        words = [".*".join(map(re.escape, word.split("…"))) for word in line.split()]
        if not any(re.search(r"\s+".join(words), candidate) for candidate in printed):
            return line
    return None
