"""`swarm-ext runs`, as a person uses it: what it prints, what it exits with, what it leaves in the store."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from swarm_ext import __version__
from swarm_ext.cli import cli, main
from swarm_ext.commands.table import aligned
from swarm_ext.model import RECORD_TYPES
from swarm_ext.store import open_store
from tests.sample_records import RUN_ID, START, a_full_run, a_run, one_record_of_every_kind

COMMAND = [sys.executable, "-m", "swarm_ext.cli"]


@pytest.fixture
def uri(tmp_path: Path) -> str:
    """A store with a full run and a later one that is still running."""
    uri = f"sqlite:///{tmp_path}/runs.db"
    store = open_store(uri)
    store.put_run(a_full_run())
    store.write(one_record_of_every_kind())
    store.put_run(a_run("20261123-000000-beef", START + timedelta(days=1)))
    store.close()
    return uri


def output(capsys: pytest.CaptureFixture[str], *arguments: str, exit_code: int = 0) -> str:
    """What the command prints: to stdout when it succeeds, to stderr when it does not."""
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    captured = capsys.readouterr()
    assert exit_.value.code == exit_code, captured.err
    assert (captured.err if exit_code == 0 else captured.out) == ""
    return captured.out if exit_code == 0 else captured.err


def ids(uri: str) -> list[str]:
    store = open_store(uri, must_exist=True)
    try:
        return [run.id for run in store.runs()]
    finally:
        store.close()


# list


def test_list_shows_a_line_a_run_oldest_first(uri: str, capsys: pytest.CaptureFixture[str]) -> None:
    heading, first, second = output(capsys, "runs", "list", "--store", uri).splitlines()
    assert heading.split() == ["RUN", "START", "(UTC)", "DURATION", "PROCESS", "OFFERED", "P99", "STATUS"]
    p99 = "55.70 s"
    assert re.split(r" {2,}", first) == [
        RUN_ID,
        "2026-11-22 01:47:05",
        "1 min 30 s",
        "Poisson(rate=20.0)",
        "500",
        p99,
        "finished",
    ]
    assert second.split() == ["20261123-000000-beef", "2026-11-23", "01:47:05", "-", "-", "-", "-", "running"]
    assert heading.index("STATUS") == first.index("finished") == second.index("running")


def test_list_of_a_store_without_runs_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    open_store(f"sqlite:///{tmp_path}/runs.db").close()
    text = output(capsys, "runs", "list", "--store", f"sqlite:///{tmp_path}/runs.db")
    assert text == f"sqlite:///{tmp_path}/runs.db holds no runs yet.\n"
    assert (
        json.loads(output(capsys, "runs", "list", "--store", f"sqlite:///{tmp_path}/runs.db", "--json")) == []
    )


def test_list_as_json_is_what_is_stored(uri: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(output(capsys, "runs", "list", "--store", uri, "--json"))
    assert found == json.loads(
        msgspec.json.encode([a_full_run(), a_run("20261123-000000-beef", START + timedelta(days=1))])
    )


def test_the_store_is_taken_from_the_environment_and_by_default_from_the_working_directory(
    uri: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWARM_EXT_STORE", uri)
    assert RUN_ID in output(capsys, "runs", "list")
    monkeypatch.delenv("SWARM_EXT_STORE")
    monkeypatch.chdir(tmp_path)
    error = output(capsys, "runs", "list", exit_code=2)
    assert error.startswith("swarm-ext: sqlite:///swarm-ext.db: there is no file ")
    Path("runs.db").rename("swarm-ext.db")
    assert RUN_ID in output(capsys, "runs", "list")


# show


def test_show_tells_everything_of_a_run(uri: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = output(capsys, "runs", "show", "20261122", "--store", uri)
    words = [" ".join(line.split()) for line in text.splitlines()]
    for line in (
        f"run {RUN_ID}", "status finished", "start 2026-11-22 01:47:05 UTC",
        "end 2026-11-22 01:48:35 UTC, after 1 min 30 s", "arrivals Poisson(rate=20.0)", "seed 18446744073709551615",
        "swarm local", "service web", "workers 2",
        "options", "closed false", "iter -", "lamb 20.0", 'tags ["a", "b"]', 'nested {"ü": 1}',
        "tags", "ticket ∑ 42", "versions", "locust 2.47",
        "phases", "warm-up 2026-11-22 01:47:05 UTC 10.0 s", "load 2026-11-22 01:47:15 UTC -",
        "totals", "offered 500", "completed 490", "failed 5", "dropped 3", "abandoned 2",
        "response time p99 55.70 s", "schedule lag max 2.1 ms",
        "records", "container samples 1", "scaling decisions 1",
        "troubles", "sampler 3 × node-2 did not answer",
    ):  # fmt: skip
        assert line in words, text


def test_show_latest_leaves_out_what_is_not_there(uri: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = output(capsys, "runs", "show", "latest", "--store", uri)
    assert text.startswith("run            20261123-000000-beef\nstatus         running\n")
    assert "workers        none: one process" in text
    for section in ("options", "phases", "totals", "troubles"):
        assert f"\n{section}\n" not in text


def test_show_as_json_has_the_record_counts(uri: str, capsys: pytest.CaptureFixture[str]) -> None:
    shown = json.loads(output(capsys, "runs", "show", RUN_ID, "--store", uri, "--json"))
    assert shown.pop("records") == {kind.__name__: 1 for kind in RECORD_TYPES}
    assert shown == json.loads(msgspec.json.encode(a_full_run()))


def test_text_from_elsewhere_cannot_play_tricks_on_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = open_store(f"sqlite:///{tmp_path}/runs.db")
    store.put_run(msgspec.structs.replace(a_full_run(), host="\x1b[2J", tags={"t": "a\nb"}))
    store.close()
    text = output(capsys, "runs", "show", "latest", "--store", store.uri)
    assert "\x1b" not in text
    assert r'"a\nb"' in text


# delete


def test_delete_with_yes_deletes_one_run_and_says_what(uri: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = output(capsys, "runs", "delete", "20261122", "--yes", "--store", uri)
    assert text == f"Deleted run {RUN_ID} (finished) with 5 records.\n"
    assert ids(uri) == ["20261123-000000-beef"]


@pytest.mark.parametrize(("answer", "left"), [("y\n", 1), ("n\n", 2), ("\n", 2), ("", 2)])
def test_delete_asks_and_does_it_only_after_a_yes(uri: str, answer: str, left: int) -> None:
    result = CliRunner().invoke(cli, ["runs", "delete", "latest", "--store", uri], input=answer)
    assert "Delete run 20261123-000000-beef (running) with 0 records from sqlite:///" in result.output
    assert len(ids(uri)) == left
    assert result.exit_code == (0 if left == 1 else 1)


# Mistakes


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ["list", "--store", "foo://me:secret@x"],
            "swarm-ext: foo://me:***@x: there is no store for foo://; use",
        ),
        (
            ["list", "--store", "sqlite:////missing/x.db"],
            "swarm-ext: sqlite:////missing/x.db: there is no directory",
        ),
        (["show", "2025"], "swarm-ext: there is no run '2025' in sqlite:///"),
        (["show", "2026112"], "swarm-ext: '2026112' is the beginning of 2 runs in sqlite:///"),
        (["delete", "2026112", "--yes"], "swarm-ext: '2026112' is the beginning of 2 runs in sqlite:///"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    uri: str,
    arguments: list[str],
    line: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SWARM_EXT_STORE", uri)
    error = output(capsys, "runs", *arguments, exit_code=2)
    assert error.startswith(line)
    assert error.count("\n") == 1
    assert len(ids(uri)) == 2


def test_an_unknown_command_or_option_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert "No such command 'rums'" in output(capsys, "rums", exit_code=2)
    assert "No such command 'lst'" in output(capsys, "runs", "lst", exit_code=2)
    assert "No such option" in output(capsys, "runs", "list", "--stor", exit_code=2)


# The command itself


def test_help_says_what_it_is_and_every_subcommand_shows_an_example(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = output(capsys, "--help")
    assert "Test how elastic a Docker Swarm service is" in text
    assert "List, show, export, ship and delete the runs in a" in text
    for command in ("list", "show", "export", "ship", "delete"):
        text = " ".join(output(capsys, "runs", command, "--help").split())
        assert "Example" in text
        assert f"swarm-ext runs {command} " in text
        assert "default: sqlite:///swarm-ext.db" in text.replace("- ", "-")  # a line may end with a hyphen
        assert "SWARM_EXT_MONGO_PASSWORD" in text
        assert "user:password" not in text
    assert output(capsys, "--version") == f"swarm-ext {__version__}\n"


def test_help_imports_no_subcommand_and_no_command_imports_locust() -> None:
    code = (
        "import sys; from swarm_ext.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "print({'locust', 'gevent', 'swarm_ext.commands.runs'} & set(sys.modules))"
    )
    for arguments, imported in ((["--help"], "set()"), (["runs", "--help"], "{'swarm_ext.commands.runs'}")):
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
        )
        assert done.stdout.splitlines()[-1] == imported


def test_a_reader_that_goes_away_ends_it_silently(uri: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*COMMAND, "runs", "list", "--store", uri],
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
        timeout=60,
    )
    os.close(writing)
    assert done.stderr == b""


def test_control_c_at_the_question_deletes_nothing_and_shows_no_traceback(uri: str) -> None:
    # A test run in the background ignores SIGINT, and what it starts inherits that.
    code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); import swarm_ext.cli as c; c.main()"
    with subprocess.Popen(
        [sys.executable, "-c", code, "runs", "delete", "latest", "--store", uri],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        while process.stdout.read(1) not in (b"?", b""):
            pass
        for _ in range(10):  # one that comes between the question and the reading of the answer is not seen
            process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                process.wait(5)
                break
        else:
            process.kill()
        assert process.stderr.read().strip() == b"Aborted!"
    assert process.returncode == 1
    assert len(ids(uri)) == 2


def test_columns_are_as_wide_as_their_widest_cell_and_lines_end_where_their_text_does() -> None:
    assert list(aligned([("a", "1"), ("long", "12"), ("", "")], right={1})) == ["a      1", "long  12", ""]
    assert list(aligned([("a", "b"), ("long", "")])) == ["a     b", "long"]
    assert list(aligned([])) == []
