"""The page, the images and the command, on whole runs and on what little there may be of one."""

import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pytest

from reports import command
from reports.container_charts import file_name
from reports.page import render, slo_of
from swarm_ext.errors import UserError
from swarm_ext.model import (
    ArrivalCheck,
    ArrivalProcessRecord,
    ContainerSample,
    LoadSample,
    NodeSample,
    Record,
    Run,
    ScalingDecision,
    ServiceSample,
)
from swarm_ext.slo import Slo
from swarm_ext.store import Store, open_store
from tests.synthetic_run import START, SyntheticRun, synthetic_run

SLO = Slo(0.5, 0.95)
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path}/runs.db")
    yield opened
    opened.close()


class Outline(HTMLParser):
    """What an accessible page has to have."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def without(made: SyntheticRun, *kinds: type[Record]) -> SyntheticRun:
    return replace(made, records=tuple(r for r in made.records if not isinstance(r, kinds)))


def page_of(store: Store, made: SyntheticRun, folder: Path, slo: Slo | None = SLO) -> str:
    made.write(store)
    file = folder / "r.html"
    render(store, made.run.id, html=file, png=None, slo=slo)
    return file.read_text("utf-8")


def test_the_page_is_one_file_that_refers_to_no_other(store: Store, tmp_path: Path) -> None:
    html = page_of(store, synthetic_run(), tmp_path)
    outline = Outline()
    outline.feed(html)
    addresses = [a[k] for _, a in outline.tags for k in ("src", "href") if k in a]
    assert addresses == ["data:,"]
    assert "default-src 'none'" in html
    assert len(html) < 2_000_000


def test_the_page_can_be_read_without_seeing_it(store: Store, tmp_path: Path) -> None:
    outline = Outline()
    outline.feed(page_of(store, synthetic_run(), tmp_path))
    assert outline.of("html")[0]["lang"] == "en"
    assert len(outline.of("h1")) == 1
    charts = [a for a in outline.of("div") if "data-chart" in a]
    assert len(charts) == 6
    assert all(a["role"] == "img" and a["aria-label"] for a in charts)
    assert all(a.get("scope") for a in outline.of("th"))


def test_the_page_tells_what_the_run_was(store: Store, tmp_path: Path) -> None:
    html = page_of(store, synthetic_run(), tmp_path)
    for fact in (
        "20260314-092653-3f2a",
        "Poisson(λ = 5/s)",
        "branch=main",
        "locust 2.47.0",
        "--max-replicas 4",
    ):
        assert fact in html
    assert "no answer within 2 s" in html
    assert START.strftime("%Y-%m-%d") in html


def test_what_came_from_a_run_is_escaped_in_text_and_in_scripts(store: Store, tmp_path: Path) -> None:
    evil = "</script><img src=x onerror=alert(1)>"
    html = page_of(store, synthetic_run(service=evil), tmp_path)
    assert "<img src=x" not in html
    assert html.count("</script>") == 4
    assert "&lt;/script&gt;&lt;img src=x" in html


SPARSE: dict[str, Callable[[SyntheticRun], SyntheticRun]] = {
    "no container samples": lambda made: without(made, ContainerSample),
    "no service samples": lambda made: without(made, ServiceSample),
    "no decisions": lambda made: without(made, ScalingDecision),
    "no nodes": lambda made: without(made, NodeSample),
    "no load samples": lambda made: without(made, LoadSample),
    "only load samples": lambda made: without(
        made, ContainerSample, NodeSample, ServiceSample, ScalingDecision
    ),
    "only the first records": lambda made: replace(made, records=made.records[:1]),
    "one of each": lambda made: replace(
        made, records=tuple({type(record): record for record in made.records}.values())
    ),
    "nothing but the run": lambda made: replace(made, records=()),
    "still running": lambda made: replace(
        made,
        run=Run(id="r", start=made.run.start),
        records=tuple(msgspec.structs.replace(record, run_id="r") for record in made.records[:200]),
    ),
}


@pytest.mark.parametrize("case", SPARSE)
def test_there_is_a_page_however_little_there_is_to_show(case: str, store: Store, tmp_path: Path) -> None:
    html = page_of(store, SPARSE[case](synthetic_run()), tmp_path)
    assert "</html>" in html
    assert not re.search(r"\bnan\b|>None<|NaN,", html.split('<script type="application/json"')[0])


def test_measurements_that_a_node_never_gave_leave_gaps_and_no_error(store: Store, tmp_path: Path) -> None:
    unmeasured = {
        name: None
        for name in ContainerSample.__struct_fields__
        if name.startswith(("cpu_", "memory_", "throttled_")) or name in ("service", "slot")
    }
    made = synthetic_run()
    records = tuple(
        msgspec.structs.replace(record, **unmeasured) if isinstance(record, ContainerSample) else record
        for record in made.records
    )
    assert "No container has a limit." in page_of(store, replace(made, records=records[:400]), tmp_path)


def test_closed_loop_load_has_a_page_without_rates(store: Store, tmp_path: Path) -> None:
    made = synthetic_run()
    records = tuple(
        msgspec.structs.replace(record, asked_rate=None) if isinstance(record, LoadSample) else record
        for record in made.records
    )
    run = msgspec.structs.replace(
        made.run,
        arrival_process=ArrivalProcessRecord(kind="closed", description="closed loop", rate=None),
        arrival_check=ArrivalCheck(observed=1887, expected=None, uniforms=None),
    )
    html = page_of(store, SyntheticRun(run, records), tmp_path)
    assert "Not applicable: closed loop" in html


def test_a_replay_has_a_page_that_compares_counts_and_instants(store: Store, tmp_path: Path) -> None:
    made = synthetic_run()
    run = msgspec.structs.replace(
        made.run,
        arrival_process=ArrivalProcessRecord(
            kind="replay", description="1,900 recorded arrivals of a.csv", rate=None, recorded=1900
        ),
        arrival_check=ArrivalCheck(observed=1900, expected=1900.0, uniforms=None),
        workers=2,
        worker_clocks={"one": -3.21, "two": 0.002},
    )
    html = page_of(store, SyntheticRun(run, made.records), tmp_path)
    assert "each recorded arrival was fired once (1,900 recorded arrivals of a.csv)" in html
    assert "99 % within" in html
    assert "standard deviations (" not in html
    assert "one 3.2 s behind, the rest within 2.0 ms of the master’s" in html


def test_a_long_run_with_fifty_containers_stays_small(store: Store, tmp_path: Path) -> None:
    made = synthetic_run(
        warm_up=0,
        load=1790,
        settle=10,
        steps=((0, 3.0), (300, 30.0), (1200, 3.0)),
        scaling=((305, 50), (1500, 1)),
    )
    html = page_of(store, made, tmp_path)
    assert len(html) < 5_000_000
    assert "each point is the mean over 5 s" in html
    assert "colours run from the first container" in html


def test_every_chart_and_every_container_has_a_real_png(store: Store, tmp_path: Path) -> None:
    made = synthetic_run(load=40, settle=0, scaling=((30, 2),), crash_at=None)
    made.write(store)
    folder = tmp_path / "new" / "charts"
    written = render(store, "latest", html=None, png=folder, slo=SLO)
    names = {path.name for path in folder.iterdir()}
    assert {path.name for path in written.files} == names
    assert {"load.png", "response.png", "cpu.png", "memory.png", "replicas.png", "arrivals.png"} <= names
    for measure in ("cpu", "memory"):
        each = [name for name in names if re.fullmatch(rf"{measure}-web\.[12]-[0-9a-f]{{6}}\.png", name)]
        assert len(each) == 2
    for path in folder.iterdir():
        image = path.read_bytes()
        assert image.startswith(PNG)
        width, height = (int.from_bytes(image[at : at + 4]) for at in (16, 20))
        assert width > 1000
        assert height > 200


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("web.1 · e8b7d3", "web.1-e8b7d3"),
        ("../../etc/passwd · a", "etc-passwd-a"),
        ("a/b\\c:d*e", "a-b-c-d-e"),
        ("...", "container"),
        ("x" * 300, "x" * 100),
    ],
)
def test_file_names_are_safe_whatever_a_container_is_called(label: str, name: str) -> None:
    assert file_name(label) == name


def test_the_runs_own_slo_is_used_when_none_is_given(store: Store, tmp_path: Path) -> None:
    made = synthetic_run()
    run = msgspec.structs.replace(made.run, options={"slo": {"limit_seconds": 0.25, "share": 0.9}})
    html = page_of(store, SyntheticRun(run, made.records), tmp_path, slo=None)
    assert "90 % within 250 ms" in html
    assert "--slo 250ms:90%" in html
    assert slo_of(msgspec.structs.replace(run, options={"slo": "1s:50%"})) == Slo(1.0, 0.5)
    for nothing in (None, "soon", {"limit_seconds": "x"}, 3):
        assert slo_of(msgspec.structs.replace(run, options={"slo": nothing})) is None


def test_a_page_that_cannot_be_written_is_one_line(store: Store, tmp_path: Path) -> None:
    synthetic_run().write(store)
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written"):
        render(store, "latest", html=tmp_path / "file" / "r.html", png=None, slo=None)


def run_command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "reports.command", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=120,
        check=False,
    )


def test_the_command_writes_the_latest_run_and_says_what_came_out(store: Store, tmp_path: Path) -> None:
    synthetic_run().write(store)
    done = run_command("-o", str(tmp_path / "out.html"), "--slo", "500ms:95%", SWARM_EXT_STORE=store.uri)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "20260314-092653-3f2a: The service met its SLO for 75 % of the time" in done.stdout
    assert f"Report: {tmp_path / 'out.html'}" in done.stdout
    page = tmp_path / "out.html"
    assert page.stat().st_size > 500_000
    assert stat.S_ISREG(page.stat().st_mode)


def failure(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as ended:
        command.main(arguments)
    assert ended.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("swarm-report: ")
    return captured.err


def test_a_run_that_is_not_there_is_one_line_that_lists_those_that_are(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    synthetic_run().write(store)
    assert "20260314-092653-3f2a" in failure(capsys, "nonesuch", "--store", store.uri)


def test_the_command_never_makes_a_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    failure(capsys, "--store", f"sqlite:///{tmp_path}/none.db")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [["--slo", "500"], ["--slo", "0ms:95%"], ["--bogus"], ["a", "b"], ["--store", "foo://x"],
                                       ["-o", "/"], ["--png", "/dev/null"]])  # fmt: skip
def test_each_mistake_is_one_line_and_exit_code_2(
    arguments: list[str],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)  # there may be a store where the tests are run
    failure(capsys, *arguments)


def test_a_missing_extra_is_one_line_that_says_what_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    known = command.find_spec

    def find_spec(name: str) -> Any:
        return None if name in ("altair", "jinja2") else known(name)

    monkeypatch.setattr(command, "find_spec", find_spec)
    assert "altair, jinja2: pip install 'swarm-ext[reports]'" in failure(capsys)


def test_help_and_mistakes_need_no_extra_and_reports_need_neither_locust_nor_docker(tmp_path: Path) -> None:
    script = (
        "import sys; import reports.command; heavy = {'pandas', 'altair', 'vl_convert'} & set(sys.modules);"
        "import reports.page; print(heavy, {'locust', 'gevent', 'docker'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "set() set()"


def test_two_runs_in_one_store_do_not_mix(store: Store, tmp_path: Path) -> None:
    synthetic_run().write(store)
    other = synthetic_run(run_id="other", seed=7, load=20, settle=0, scaling=(), crash_at=None)
    html = page_of(store, other, tmp_path)
    assert "web.1" in html
    assert "web.2" not in html


def test_rendering_twice_gives_the_same_page(store: Store, tmp_path: Path) -> None:
    made = synthetic_run(load=30, settle=0, scaling=(), crash_at=None)
    first = page_of(store, made, tmp_path)
    with closing(open_store(store.uri, must_exist=True)) as again:
        render(again, made.run.id, html=tmp_path / "again.html", png=None, slo=SLO)
    assert (tmp_path / "again.html").read_text("utf-8") == first
