"""A report is made from a MongoDB database just as from a file: the same page, letter by letter, and the same images."""

from __future__ import annotations

import re
from contextlib import closing
from typing import TYPE_CHECKING
from uuid import uuid4

from reports.page import render
from swarm_ext.store import open_store
from tests.synthetic_run import synthetic_run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.bed.mongo_server import MongoServer


def test_a_report_is_the_same_from_either_store(shared_mongo: MongoServer, tmp_path: Path) -> None:
    run = synthetic_run()
    pages = []
    for name, uri in (
        ("file", f"sqlite:///{tmp_path}/runs.db"),
        ("database", shared_mongo.uri(f"t{uuid4().hex}")),
    ):
        with closing(open_store(uri)) as store:
            run.write(store)
            rendered = render(store, "latest", html=tmp_path / f"{name}.html", png=tmp_path / name, slo=None)
        page = (tmp_path / f"{name}.html").read_text().replace(store.uri, "URI")
        pages.append(re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)? UTC", "THEN", page))
        assert len(rendered.files) > 5
    assert pages[0] == pages[1]
    for image in (tmp_path / "file").iterdir():
        assert image.read_bytes() == (tmp_path / "database" / image.name).read_bytes(), image.name
