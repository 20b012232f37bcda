"""`swarm-ext runs ship`: what it prints, what it exits with; and every command of `runs` on a MongoDB database."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from swarm_ext.cli import main
from swarm_ext.store import open_run_store, open_store
from tests.sample_records import RUN_ID, a_container_sample, a_full_run, a_run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.bed.mongo_server import MongoServer


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory of the test's own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_command(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as exit_:
        main(["runs", *arguments])
    captured = capsys.readouterr()
    return int(exit_.value.code or 0), captured.out + captured.err


def leave_in_the_spool(uri: str, run_id: str = RUN_ID, spool: str = "swarm-ext-spool.db") -> None:
    """Do what a run does whose database is down."""
    with closing(open_run_store(uri, spool=spool)) as store:
        store.put_run(a_run(run_id))
        store.write([a_container_sample(number, run_id) for number in range(1200)])


def test_what_waits_is_told_until_it_has_been_shipped(
    mongo: MongoServer, capsys: pytest.CaptureFixture[str]
) -> None:
    uri = mongo.uri()
    leave_in_the_spool(uri)
    code, text = run_command(capsys, "ship", "--store", uri)
    assert (code, text.count("\n")) == (1, 1)
    assert text.startswith(f"{RUN_ID}: 0 records shipped; 1,200 wait: {uri} could not be ")
    code, text = run_command(capsys, "ship", "--store", uri, "--json")
    assert code == 1
    assert json.loads(text)["runs"][0]["waiting"] == 1200
    mongo.start()
    done = f"{RUN_ID}: 1,200 records shipped; all of it is in {uri}\n"
    assert run_command(capsys, "ship", "--store", uri) == (0, done)
    nothing = f"Nothing in the spool swarm-ext-spool.db waits for {uri}.\n"
    assert run_command(capsys, "ship", "--store", uri) == (0, nothing)
    assert run_command(capsys, "ship", "--store", mongo.uri("other")) == (
        0,
        nothing.replace("swarm_ext.\n", "other.\n"),
    )


def test_what_waits_for_other_databases_is_told_and_no_mistake(
    mongo: MongoServer, capsys: pytest.CaptureFixture[str]
) -> None:
    leave_in_the_spool(mongo.uri("other"))
    mongo.start()
    code, text = run_command(capsys, "ship", "--store", mongo.uri())
    assert code == 0
    assert text.splitlines()[1] == f"1 run in the spool swarm-ext-spool.db waits for {mongo.uri('other')}."


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--store", "sqlite:///swarm-ext.db"), "what goes to SQLite is there at once"),
        (("--store", "mongodb://me:se@cret@db"), "is not a MongoDB URI"),
        (("--store", "mongodb://db", "--spool", "missing.db"), "there is no spool missing.db"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    arguments: tuple[str, ...], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text = run_command(capsys, "ship", *arguments)
    assert (code, text.count("\n")) == (2, 1)
    assert line in text
    assert "cret" not in text


def test_without_a_spool_nothing_waits_and_no_server_is_asked(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text = run_command(capsys, "ship", "--store", "mongodb://nowhere.invalid")
    assert (code, text) == (
        0,
        "Nothing in the spool swarm-ext-spool.db waits for mongodb://nowhere.invalid.\n",
    )
    assert list(folder.iterdir()) == []


def test_every_command_reads_a_database_as_it_reads_a_file(
    mongo: MongoServer, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mongo.start()
    texts = []
    for uri in ("sqlite:///runs.db", mongo.uri()):
        with closing(open_store(uri)) as store:
            store.put_run(a_full_run())
            store.write([a_container_sample(number) for number in range(1200)])
        output = folder / uri.partition(":")[0]
        commands = (
            ("list",),
            ("show", "latest"),
            ("show", "2026", "--json"),
            ("export", "latest", "-o", str(output)),
            ("delete", "latest", "--yes"),
            ("list",),
        )
        told = [run_command(capsys, *command, "--store", uri) for command in commands]
        assert {code for code, _ in told} == {0}
        texts.append([text.replace(uri, "URI").replace(str(output), "FOLDER") for _, text in told])
    assert texts[0] == texts[1]
    for file in (folder / "sqlite").iterdir():
        assert file.read_bytes() == (folder / "mongodb" / file.name).read_bytes()


def test_a_database_that_is_not_there_is_one_line(
    mongo: MongoServer, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text = run_command(capsys, "list", "--store", mongo.uri())
    assert (code, text.count("\n")) == (2, 1)
    assert "Connection refused; start the server, or correct the URI" in text
