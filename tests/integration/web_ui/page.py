"""The web UI's page as its buttons see it."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Protocol

import requests

from tests.integration.bench import LOCUSTFILES, LocustProcess

if TYPE_CHECKING:
    from pathlib import Path

POISSON = LOCUSTFILES / "poisson.py"


class Page:
    """The page's own requests, as its buttons make them."""

    def __init__(self, locust: LocustProcess) -> None:
        self._locust = locust
        port = locust.wait_for(r"Starting web interface at http://127\.0\.0\.1:(\d+)")[1]
        self.url = f"http://127.0.0.1:{port}"
        self.session = requests.Session()
        self.session.trust_env = False
        self._until(lambda: self.session.get(self.url, timeout=10).ok)

    def _until(self, condition: object) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                if condition():  # type: ignore[operator]
                    return
            except (requests.ConnectionError, requests.Timeout):
                pass
            time.sleep(0.1)
        raise AssertionError(f"it did not happen:\n{self._locust.output}")

    def fields(self) -> dict[str, object]:
        """Return what the form's custom parameters show after a reload."""
        html = self.session.get(self.url, timeout=10).text
        found = re.search(r"window\.templateArgs = (\{.*\})", html)
        assert found is not None, html
        extra = json.loads(found[1])["extra_options"]
        return {name: field["default_value"] for name, field in extra.items()}

    def form(self) -> dict[str, str]:
        """Return the custom parameters as the page's own script sends them, untouched."""
        return {
            name: "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
            for name, value in self.fields().items()
        }

    def start(self, **fields: object) -> dict[str, object]:
        form = {"user_count": "2", "spawn_rate": "50", **fields}
        reply: dict[str, object] = self.session.post(f"{self.url}/swarm", data=form, timeout=60).json()
        return reply

    def start_when_ready(self, **fields: str) -> dict[str, object]:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            reply = self.start(**fields)
            if reply["success"] or "workers are ready" not in str(reply["message"]):
                return reply
            time.sleep(0.3)
        raise AssertionError(f"workers never became ready:\n{self._locust.output}")

    def stop(self) -> None:
        assert self.session.post(f"{self.url}/stop", timeout=60).ok

    def stats(self) -> dict[str, object]:
        reply: dict[str, object] = self.session.get(f"{self.url}/stats/requests", timeout=10).json()
        return reply

    def requests_done(self) -> int:
        totals = [row for row in self.stats()["stats"] if row["name"] == "Aggregated"]  # type: ignore[attr-defined]
        return int(totals[0]["num_requests"])

    def wait_for_requests(self, number: int) -> None:
        """Wait until the run that was just started has made so many; until it runs, the page shows the last one's."""
        self.wait_for_state("running")
        self._until(lambda: self.requests_done() >= number)

    def wait_for_state(self, *states: str) -> None:
        self._until(lambda: self.stats()["state"] in states)


class StartPage(Protocol):
    """Starts Locust with a page."""

    def __call__(self, *options: str, file: Path = POISSON) -> tuple[LocustProcess, Page]: ...
