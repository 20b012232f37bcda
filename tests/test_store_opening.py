"""What `open_store` opens, makes and refuses; a file that is refused stays as it was."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from threading import Barrier
from typing import TYPE_CHECKING

import pytest

from swarm_ext.errors import UserError
from swarm_ext.store import DEFAULT_STORE, masked, open_store, sqlite_file
from swarm_ext.store.schema import APPLICATION_ID, SCHEMA_VERSION, UPGRADES
from swarm_ext.store.sqlite_file import Layout, upgrade
from tests.sample_records import a_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def refusal(uri: str, *, must_exist: bool = False) -> str:
    """The one line that a person reads."""
    with pytest.raises(UserError) as error:
        open_store(uri, must_exist=must_exist)
    text = str(error.value)
    assert "\n" not in text
    return text


def files(directory: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in directory.iterdir() if file.is_file()}


def database(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


# URIs


def test_three_slashes_are_a_relative_path_and_four_an_absolute_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for uri, path in [
        (DEFAULT_STORE, tmp_path / "swarm-ext.db"),
        ("SQLite:///a b%20#.db", tmp_path / "a b%20#.db"),
        (f"sqlite:///{tmp_path}/absolute.db", tmp_path / "absolute.db"),
    ]:
        store = open_store(uri)
        assert store.uri == uri
        store.close()
        assert path.is_file()


@pytest.mark.parametrize(
    ("uri", "rule_and_remedy"),
    [
        (
            "foo://x",
            "foo://x: there is no store for foo://; use sqlite://, mongodb://, mongodb+srv://, as in sqlite:///swarm-ext.db",
        ),
        ("", "'' is not a store's URI, which begins with a scheme; write sqlite:///file.db"),
        ("runs.db", "'runs.db' is not a store's URI, which begins with a scheme; write sqlite:///runs.db"),
        ("sqlite:runs.db", "is not a store's URI"),
        ("sqlite://runs.db", "has three slashes before its path; write sqlite:///runs.db"),
        ("sqlite://", "has three slashes"),
        ("sqlite:///", "it names no file; write sqlite:///file.db"),
        ("sqlite:///:memory:", "a run must outlive its process"),
        ("sqlite:///runs.db?mode=ro", "without ? options"),
        ("sqlite:///a\0b", "or NUL"),
    ],
)
def test_a_uri_that_names_no_store_is_refused_with_the_remedy(uri: str, rule_and_remedy: str) -> None:
    assert rule_and_remedy in refusal(uri)


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("mongodb://me:secret@db:27017/runs", "mongodb://me:***@db:27017/runs"),
        ("mongodb://me:se/cr@et@db:27017/runs", "mongodb://me:***@db:27017/runs"),
        ("mongodb://me@home.org:secret@db/runs", "mongodb://me@home.org:***@db/runs"),
        ("mongodb://me:/secret@db/runs", "mongodb://me:***@db/runs"),
        ("mongodb://m/e:secret@db/runs", "mongodb://m/e:***@db/runs"),
        ("mongodb://me@db/runs", "mongodb://me@db/runs"),
        ("mongodb:///me:secret@db", "mongodb:///me:***@db"),
        ("mongodb:/me:secret@db", "mongodb:/me:***@db"),
        ("mongodb:me:secret@db", "mongodb:***@db"),
        ("me:sec:ret@db", "me:***@db"),
        ("mongodb://db:27017,other:27017/runs?replicaSet=a", "mongodb://db:27017,other:27017/runs?replicaSet=a"),
        ("mongodb://db/?tlsCertificateKeyFilePassword=x&w=1", "mongodb://db/?tlsCertificateKeyFilePassword=***&w=1"),
        ("mongodb://db/?w=1&authMechanismProperties=AWS_SESSION_TOKEN:x", "mongodb://db/?w=1&authMechanismProperties=***"),
        ("sqlite:////tmp/a:b@c.db", "sqlite:////tmp/a:b@c.db"),
    ],
)  # fmt: skip
def test_secrets_in_a_uri_are_never_shown(uri: str, shown: str) -> None:
    assert masked(uri) == shown


# Places


def test_places_where_no_store_can_be_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    os.mkfifo(tmp_path / "fifo")
    for path, rule in [
        (tmp_path, "is a directory; name a file"),
        (tmp_path / "missing" / "runs.db", f"there is no directory {tmp_path}/missing; make it"),
        (tmp_path / "file" / "runs.db", "cannot be used: Not a directory"),
        (tmp_path / ("x" * 300), "cannot be used: File name too long"),
        (tmp_path / "fifo", "is not an ordinary file"),
        (Path("/dev/null"), "is not an ordinary file"),
        (
            Path("/proc/runs.db"),
            "/proc/runs.db cannot be opened: unable to open database file; choose another file",
        ),  # not writable for anybody, root included
    ]:
        assert rule in refusal(f"sqlite:///{path}")
    assert files(tmp_path) == {"file": b""}


OPEN_AS_ANYBODY = """
import os, sys
from swarm_ext.errors import UserError
from swarm_ext.store import open_store, sqlite

if os.getuid() == 0:
    os.setuid(65534)
try:
    open_store(f"sqlite:///{sys.argv[1]}")
except UserError as error:
    print(error)
"""


def test_a_file_or_directory_without_permission_is_refused_and_stays_as_it_was() -> None:
    with tempfile.TemporaryDirectory() as name:  # pytest's own directories are closed to other users
        directory = Path(name)
        store = open_store(f"sqlite:///{directory}/runs.db")
        store.close()

        def refused_to_anybody(file: str) -> str:
            arguments = [sys.executable, "-c", OPEN_AS_ANYBODY, str(directory / file)]
            return subprocess.run(arguments, capture_output=True, text=True, check=True, timeout=60).stdout

        before = files(directory)
        (directory / "runs.db").chmod(0o444)
        directory.chmod(0o777)
        assert "runs.db may not be read and written by this user; change that" in refused_to_anybody(
            "runs.db"
        )
        (directory / "runs.db").chmod(0o666)
        directory.chmod(0o555)
        assert f"the directory {directory} may not be written to" in refused_to_anybody("runs.db")
        assert f"the directory {directory} may not be written to" in refused_to_anybody("new.db")
        directory.chmod(0)
        assert "cannot be used: Permission denied" in refused_to_anybody("runs.db")
        directory.chmod(0o700)
        assert files(directory) == before


def test_reading_what_is_there_never_makes_a_file(tmp_path: Path) -> None:
    assert "there is no file" in refusal(f"sqlite:///{tmp_path}/mistyped.db", must_exist=True)
    (tmp_path / "empty.db").touch()
    assert "there is nothing in" in refusal(f"sqlite:///{tmp_path}/empty.db", must_exist=True)
    assert files(tmp_path) == {"empty.db": b""}


def test_an_empty_file_becomes_a_store(tmp_path: Path) -> None:
    (tmp_path / "empty.db").touch()
    store = open_store(f"sqlite:///{tmp_path}/empty.db")
    store.put_run(a_run())
    store.close()
    store = open_store(f"sqlite:///{tmp_path}/empty.db", must_exist=True)
    assert store.runs() == [a_run()]
    store.close()


# Other people's files


@pytest.mark.parametrize(
    "content", [b"x", b"run,start\n1,2\n", b"SQLite format 3\0" + b"x" * 5000, bytes(8192)]
)
def test_a_file_that_is_no_database_is_refused_and_stays_as_it_was(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "runs.db").write_bytes(content)
    assert "is not a SQLite database; choose another file" in refusal(f"sqlite:///{tmp_path}/runs.db")
    assert files(tmp_path) == {"runs.db": content}


@pytest.mark.parametrize("journal", ["DELETE", "WAL"])
@pytest.mark.parametrize("application", [0, 12345])
def test_a_database_of_another_application_is_refused_and_stays_as_it_was(
    tmp_path: Path, journal: str, application: int
) -> None:
    path = tmp_path / "runs.db"
    database(
        path, f"PRAGMA journal_mode={journal}", f"PRAGMA application_id={application}", "CREATE TABLE t (x)"
    )
    before = files(tmp_path)
    assert "this database belongs to another application" in refusal(f"sqlite:///{path}")
    assert files(tmp_path) == before


def test_a_store_of_a_newer_version_is_refused_and_stays_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    open_store(f"sqlite:///{path}").close()
    database(path, f"PRAGMA user_version={SCHEMA_VERSION + 1}")
    before = files(tmp_path)
    assert "a newer swarm-ext wrote this (schema 2; this one knows 1)" in refusal(f"sqlite:///{path}")
    assert files(tmp_path) == before


def test_a_newer_version_is_noticed_when_only_the_log_has_it_yet(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    open_store(f"sqlite:///{path}").close()
    other = sqlite3.connect(path, isolation_level=None)
    try:
        other.execute(f"PRAGMA user_version={SCHEMA_VERSION + 1}")
        assert path.read_bytes()[60:64] == SCHEMA_VERSION.to_bytes(4, "big")
        assert "a newer swarm-ext wrote this" in refusal(f"sqlite:///{path}")
    finally:
        other.close()


def test_a_damaged_store_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    open_store(f"sqlite:///{path}").close()
    with path.open("r+b") as file:
        file.truncate(4096)
    assert "cannot be opened: database disk image is malformed" in refusal(f"sqlite:///{path}")


def test_a_store_that_another_program_holds_is_refused_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_file, "BUSY_TIMEOUT_SECONDS", 0.1)
    path = tmp_path / "runs.db"
    open_store(f"sqlite:///{path}").close()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("PRAGMA locking_mode=EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    try:
        assert "cannot be opened: database is locked; end the program that holds it" in refusal(
            f"sqlite:///{path}"
        )
    finally:
        other.close()


def at_the_same_moment(act: Callable[[], object]) -> None:
    together = Barrier(4)

    def act_together() -> None:
        together.wait()
        act()

    with ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(act_together) for _ in range(4)]:
            future.result()


def test_all_who_open_a_new_store_at_the_same_moment_succeed(tmp_path: Path) -> None:
    for attempt in range(25):  # each has some chance to go wrong
        at_the_same_moment(lambda uri=f"sqlite:///{tmp_path}/{attempt}.db": open_store(uri).close())


def test_all_who_turn_a_new_store_to_write_ahead_logging_at_the_same_moment_succeed(tmp_path: Path) -> None:
    for attempt in range(40):  # each has some chance to go wrong
        path = tmp_path / f"{attempt}.db"
        database(path, "CREATE TABLE t (x)")
        with ExitStack() as open_connections:

            def turn(path: Path = path, open_connections: ExitStack = open_connections) -> None:
                connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
                open_connections.callback(connection.close)
                connection.execute("PRAGMA user_version").fetchone()
                sqlite_file._write_ahead("sqlite:///x.db", connection)

            at_the_same_moment(turn)


def test_looking_at_a_store_that_is_open_does_not_disturb_it(tmp_path: Path) -> None:
    """Closing a file of one's own loses POSIX locks that the process has on it; then others could delete its log."""
    path = tmp_path / "runs.db"
    store = open_store(f"sqlite:///{path}")
    store.put_run(a_run())
    open_store(f"sqlite:///{path}", must_exist=True).close()
    code = f"from swarm_ext.store import open_store; open_store('sqlite:///{path}').close()"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    assert Path(f"{path}-wal").exists()
    store.put_run(a_run("another"))
    store.close()
    store = open_store(f"sqlite:///{path}")
    assert len(store.runs()) == 2
    store.close()


# Versions


@pytest.fixture
def old(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(tmp_path / "old.db", isolation_level=None)
    connection.execute("CREATE TABLE t (x)")
    yield connection
    connection.close()


def layout_with(upgrades: dict[int, tuple[str, ...]]) -> Layout:
    return Layout(APPLICATION_ID, SCHEMA_VERSION, (), upgrades)


def version(connection: sqlite3.Connection) -> int:
    found: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return found


def test_an_older_file_is_brought_to_the_newest_version_step_by_step(old: sqlite3.Connection) -> None:
    upgrade(
        old, layout_with({SCHEMA_VERSION - 1: ("ALTER TABLE t ADD COLUMN y", "INSERT INTO t VALUES (1, 2)")})
    )
    old.execute(f"PRAGMA user_version={SCHEMA_VERSION - 1}")
    upgrade(old, layout_with({SCHEMA_VERSION - 1: ("INSERT INTO t VALUES (3, 4)",)}))
    assert old.execute("SELECT y FROM t").fetchall() == [(2,), (4,)]
    assert version(old) == SCHEMA_VERSION


def test_an_upgrade_that_fails_changes_nothing(old: sqlite3.Connection) -> None:
    with pytest.raises(sqlite3.OperationalError):
        upgrade(old, layout_with({SCHEMA_VERSION - 1: ("ALTER TABLE t ADD COLUMN y", "no SQL")}))
    assert version(old) == 0
    assert [row[1] for row in old.execute("PRAGMA table_info(t)")] == ["x"]


def test_there_is_an_upgrade_from_every_older_version() -> None:
    assert set(UPGRADES) == set(range(1, SCHEMA_VERSION))


def test_the_file_says_whose_it_is(tmp_path: Path) -> None:
    open_store(f"sqlite:///{tmp_path}/runs.db").close()
    header = (tmp_path / "runs.db").read_bytes()[:100]
    assert header[68:72] == b"SWEX" == APPLICATION_ID.to_bytes(4, "big")
    assert header[60:64] == SCHEMA_VERSION.to_bytes(4, "big")
