"""What the tests of the web UI start from: a server, and Locust with its page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.bench import LocustProcess, SlowServer, slow_server
from tests.integration.ports import free_port
from tests.integration.web_ui.page import POISSON, Page, StartPage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SlowServer]:
    with slow_server(tmp_path, 0.1) as running:
        yield running


@pytest.fixture
def start_page(tmp_path: Path) -> Iterator[StartPage]:
    running: list[LocustProcess] = []

    def start(*options: str, file: Path = POISSON) -> tuple[LocustProcess, Page]:
        web = ("--web-host", "127.0.0.1", "--web-port", str(free_port()))
        locust = LocustProcess(tmp_path, file, *web, *options)
        running.append(locust)
        return locust, Page(locust)

    yield start
    for locust in running:
        if locust.process.poll() is None:
            locust.kill()
