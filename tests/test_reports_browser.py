"""The page in a real browser: it fetches nothing, draws everything, and its charts move together."""

import json
import os
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from reports.page import render
from swarm_ext.model import ContainerSample, Record, Run, ScalingDecision, Trouble
from swarm_ext.slo import Slo
from swarm_ext.store import open_store
from tests.synthetic_run import START, synthetic_run

pytestmark = pytest.mark.browser

EVIL = "</script><script>window.hacked=1</script><img src=x onerror='window.hacked=2'>\"'&{{7*7}}"
TIMELINE = ["load", "response", "cpu", "memory", "replicas"]


@pytest.fixture(scope="module")
def chromium() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        reason = "no Chromium on the PATH: apt-get install chromium"
        if os.environ.get("SWARM_EXT_REQUIRE_ALL") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return found


def visited(chromium: str, page: Path, mode: str) -> dict[str, Any]:
    script = Path(__file__).with_name("page_visit.py")
    done = subprocess.run(
        [sys.executable, str(script), chromium, str(page), mode],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@pytest.fixture(scope="module")
def visit(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("page")
    with closing(open_store(f"sqlite:///{folder}/runs.db")) as store:
        synthetic_run().write(store)
        render(store, "latest", html=folder / "r.html", png=None, slo=Slo(0.5, 0.95))
    return visited(chromium, folder / "r.html", "interact")


def test_opening_the_page_makes_no_network_request(visit: dict[str, Any]) -> None:
    assert [url.partition("://")[0] for url in visit["requests"]] == ["file"]


def test_every_chart_is_drawn_and_nothing_complains(visit: dict[str, Any]) -> None:
    assert visit["charts"] == [*TIMELINE, "arrivals"]
    assert visit["drawn"] == visit["charts"]
    assert visit["messages"] == []


def test_all_charts_show_the_same_time_and_zoom_and_move_together(visit: dict[str, Any]) -> None:
    for state in ("whole", "zoomed", "dragged", "reset"):
        assert len(visit[state]) == len(TIMELINE)
        assert len(set(visit[state])) == 1
    assert visit["zoomed"] != visit["whole"]
    assert visit["dragged"] != visit["zoomed"]
    assert visit["reset"] == visit["whole"]


def test_values_and_reasons_appear_under_the_pointer(visit: dict[str, Any]) -> None:
    assert "offered" in visit["load_tooltip"]
    assert "at least 100% of the limit" in visit["decision_tooltip"]


def test_the_page_is_no_wider_than_a_phone(visit: dict[str, Any]) -> None:
    assert visit["phone_width"] == 390


def hostile(record: Record) -> Record:
    match record:
        case ScalingDecision():
            return msgspec.structs.replace(record, reason=EVIL, metric=EVIL)
        case ContainerSample():
            return msgspec.structs.replace(record, node=EVIL, container_name=EVIL)
    return record


def test_what_came_from_a_run_is_text_wherever_it_stands(chromium: str, tmp_path: Path) -> None:
    made = synthetic_run(service=EVIL)
    run = msgspec.structs.replace(
        made.run,
        host=EVIL,
        locustfile=EVIL,
        tags={EVIL: EVIL},
        options={"path": EVIL, "deep": {"x": EVIL}},
        versions={EVIL: EVIL},
        troubles=(Trouble(source=EVIL, count=1, message=EVIL),),
    )
    with closing(open_store(f"sqlite:///{tmp_path}/runs.db")) as store:
        store.put_run(run)
        store.write([hostile(record) for record in made.records])
        render(store, "latest", html=tmp_path / "r.html", png=None, slo=None)
    result = visited(chromium, tmp_path / "r.html", "look")
    assert result["hacked"] is None
    assert result["images"] == 0
    assert result["messages"] == []
    assert EVIL in result["text"]
    assert result["phone_width"] == 390


def test_the_page_of_a_run_without_records_says_so(chromium: str, tmp_path: Path) -> None:
    with closing(open_store(f"sqlite:///{tmp_path}/runs.db")) as store:
        store.put_run(Run(id="empty", start=START))
        render(store, "empty", html=tmp_path / "r.html", png=None, slo=Slo(0.5, 0.95))
    result = visited(chromium, tmp_path / "r.html", "look")
    assert result["messages"] == []
    assert result["charts"] == []
    assert "Nothing was recorded" in result["text"]
