"""Everything that the documents tell a reader to do works, in the order in which they tell it."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from swarm_ext import __version__
from swarm_ext.model import RECORD_TYPES
from swarm_ext.options import OPTIONS, Option
from swarm_ext.store import open_store
from swarm_ext.store.schema import CREATE
from tests.cadvisor_server import CAdvisorServer, FakeContainer, FakeNode
from tests.integration.bench import LOCUSTFILES, ROOT, run_locust
from tests.integration.documents import DOCUMENTS, ON_A_SWARM, WITH_A_DATABASE, Reader, blocks
from tests.integration.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.bed.mongo_server import MongoServer

LARGEST_IMAGE_BYTES = 300_000
EACH_DOCUMENT = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
_LINK = re.compile(r"\]\((?!https?:)(?P<path>[^)#\s]*)(?:#(?P<anchor>[^)]*))?\)")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of a run that was scaled: what the pages' examples read."""
    folder = tmp_path_factory.mktemp("recorded")
    scaling = (
        "--autoscale",
        "threshold",
        "--scale-in-below",
        "0.1",
        "--target",
        "0.5",
        "--max-replicas",
        "2",
    )
    pace = ("--autoscale-interval", "1", "--autoscale-window", "3", "--replica-warm-up", "0")
    load = ("--swarm", "local", "-u", "2", "-r", "10", "--lamb", "6", "--iter", "100")
    ended = run_locust(folder, LOCUSTFILES / "poisson.py", *load, *scaling, *pace)
    assert ended.code == 0, ended.output
    return ended.store


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    """A service of the reader's own: host and port."""
    command = [sys.executable, "-m", "swarm_ext.primecheck", "--port", "0", "--number", "97"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.search(r"//127\.0\.0\.1:(\d+)/", process.stdout.readline())
        assert found is not None
        yield f"localhost:{found[1]}"
        process.terminate()


@pytest.fixture
def reader(tmp_path: Path, recorded: Path, service: str) -> Iterator[Reader]:
    (tmp_path / "locustfiles").symlink_to(LOCUSTFILES)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    shutil.copy(recorded, tmp_path / "swarm-ext.db")
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("SWARM_EXT", "LOCUST"))}
    master, page, free = (str(free_port()) for _ in range(3))
    node = FakeNode([FakeContainer(id="c0ffee" * 10 + "0000")])
    with CAdvisorServer(node.respond) as cadvisor:
        yield Reader(
            tmp_path,
            environment={
                **ours,
                "PATH": f"{Path(sys.executable).parent}:{ours['PATH']}",
                "PYTHONUNBUFFERED": "1",
                "LOCUST_MASTER_BIND_HOST": "127.0.0.1",
                "LOCUST_MASTER_BIND_PORT": master,
                "LOCUST_MASTER_NODE_PORT": master,
                "LOCUST_WEB_HOST": "127.0.0.1",
                "LOCUST_WEB_PORT": page,
            },
            replaced={
                "localhost:8000": service,
                "localhost:8070": f"127.0.0.1:{cadvisor.port}",
                "localhost:8090": f"localhost:{free}",
                "--port 8090": f"--port {free}",
            },
        )


@pytest.mark.slow
@pytest.mark.parametrize(
    "document", sorted({*DOCUMENTS} - {*ON_A_SWARM, WITH_A_DATABASE}), ids=lambda path: path.name
)
def test_every_example_works(document: Path, reader: Reader) -> None:
    for block in blocks(document):
        reader.follow(block)


@pytest.mark.slow
def test_every_example_with_a_database_works(reader: Reader, recorded: Path, mongo: MongoServer) -> None:
    mongo.start()
    with (
        closing(open_store(f"sqlite:///{recorded}", must_exist=True)) as source,
        closing(open_store(mongo.uri())) as target,
    ):
        (run,) = source.runs()
        target.put_run(run)
        for kind in RECORD_TYPES:
            target.write(list(source.read(run.id, kind)))
    reader.replaced = {**reader.replaced, "localhost:27017": f"127.0.0.1:{mongo.port}"}
    for block in blocks(WITH_A_DATABASE):
        reader.follow(block)


@EACH_DOCUMENT
def test_every_link_leads_somewhere(document: Path) -> None:
    for link in _LINK.finditer(document.read_text()):
        target = (document.parent / link["path"]).resolve() if link["path"] else document
        assert target.exists(), f"{document.name}: there is no {link['path']}"
        if link["anchor"]:
            assert link["anchor"] in anchors(target), f"{target.name} has no heading #{link['anchor']}"


def anchors(document: Path) -> set[str]:
    """Return the anchors of a document's headings, as they are made for a reader of the repository."""
    prose = re.sub(r"^```.*?^```$", "", document.read_text(), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_each_page_can_be_found_from_the_readme() -> None:
    linked = {link["path"] for link in _LINK.finditer((ROOT / "README.md").read_text())}
    assert {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")} <= linked


def test_images_are_shown_and_small() -> None:
    shown = {
        (document.parent / path).resolve()
        for document in DOCUMENTS
        for path in re.findall(r"!\[[^\]]+\]\(([^)]+)\)", document.read_text())
    }
    images = set((ROOT / "docs" / "images").iterdir())
    assert images
    assert images <= shown
    assert all(image.stat().st_size < LARGEST_IMAGE_BYTES for image in images)


_EVERY_OPTION = """
import click
from swarm_ext.cli import cli

def options(command, context):
    for parameter in command.params:
        print(*parameter.opts)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            options(command.get_command(context, name), context)

options(cli, click.Context(cli))
"""
FOREIGN = {"--ctorigdstport", "--detach", "--label-add", "--max-time", "--network", "--token"}
"""What pages say of iptables, curl and docker."""


def test_every_option_that_is_named_exists(tmp_path: Path) -> None:
    commands = (
        ["-m", "locust", "--help"],
        ["-m", "swarm_ext.primecheck", "--help"],
        ["-m", "reports.command", "--help"],
        ["-m", "swarm_ext.cli", "--help"],
        ["-c", _EVERY_OPTION],
    )
    known = {f"--{option.name}" for option in OPTIONS} | FOREIGN
    for command in commands:
        told = subprocess.run(
            [sys.executable, *command], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        known |= set(re.findall(r"--[a-z][a-z-]+", told.stdout.replace("-\n", "-")))
    for document in DOCUMENTS:
        named = set(re.findall(r"(?<![\w-])--[a-z][a-z_-]+", document.read_text()))
        ours = {name for name in named if "_" not in name}  # cAdvisor's have that
        assert ours <= known, f"{document.name}: {ours - known}"


def rows(text: str) -> Iterator[tuple[list[str], list[str]]]:
    """Yield each table row whose first cell has names in backquotes: these names, and the other cells."""
    for line in text.splitlines():
        if line.startswith("| `"):
            first, *others = line.strip("|").split("|")
            yield re.findall(r"`([^`]+)`", first), [cell.strip() for cell in others]


def shown_default(option: Option) -> str:
    if option.parse is None:
        return "off"
    if option.default is None:
        return "none"
    return f"`{option.default:g}`" if isinstance(option.default, float) else f"`{option.default}`"


def test_the_page_of_options_has_each_with_its_default_and_its_variable() -> None:
    told = {
        names[0]: cells
        for names, cells in rows((ROOT / "docs" / "options.md").read_text())
        if len(cells) == 4
    }
    assert list(told) == [f"--{option.name}" for option in OPTIONS]
    for option in OPTIONS:
        default, _, variable, _ = told[f"--{option.name}"]
        assert default.split(" (")[0] == shown_default(option), option.name
        assert variable == f"`SWARM_EXT_{option.dest.upper()}`"


def test_the_page_of_the_store_has_every_table_and_column() -> None:
    _, *sections = re.split(r"^### ", (ROOT / "docs" / "store.md").read_text(), flags=re.MULTILINE)
    told = {
        section.split()[0]: [name for names, _ in rows(section) for name in names] for section in sections
    }
    common = ["key", "run_id", "timestamp"]
    assert told["runs"][-3:] == common
    told = {table: names if table == "runs" else common + names for table, names in told.items()}
    told["runs"] = told["runs"][:-3]
    with closing(sqlite3.connect(":memory:")) as database:
        for statement in CREATE:
            database.execute(statement)
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        assert {
            table: {row[1] for row in database.execute(f"PRAGMA table_info({table})")} for table in tables
        } == {table: set(names) for table, names in told.items()}


def test_the_changelog_tells_of_this_version() -> None:
    assert re.search(rf"^## \[?{re.escape(__version__)}\b", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
