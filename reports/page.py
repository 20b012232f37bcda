"""The report: one HTML page that needs nothing else, and the charts as images."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
import vl_convert
from markupsafe import Markup

from reports import arrival_chart, charts, container_charts, words
from reports.figures import figures
from reports.frames import read
from reports.load_figures import LATE_SECONDS
from reports.theme import PAPER, SCREEN
from reports.verdict import verdict
from swarm_ext.clock_words import clock_words
from swarm_ext.errors import UserError
from swarm_ext.slo import Slo

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from reports.chart_parts import Chart
    from reports.figures import Figures
    from reports.frames import RunFrames
    from reports.verdict import Verdict
    from swarm_ext.model import Run
    from swarm_ext.store import Store

IMAGE_WIDTH, IMAGE_SCALE = 960, 1.5
"""Width of an image's plot in units, and pixels a unit."""


@dataclass(frozen=True)
class Rendered:
    """What was rendered: the run's id, the verdict on it, and the files written."""

    run_id: str
    verdict: Verdict
    files: tuple[Path, ...]


def render(store: Store, run_id: str, *, html: Path | None, png: Path | None, slo: Slo | None) -> Rendered:
    """Render a run (an id, an unambiguous beginning of one, or `latest`) as a page, as images in a folder, or as both.

    Without `slo` the run's own option is used, if it has one. Raise UnknownRunError if there is no such run, StoreError
    if it cannot be read, UserError if a file cannot be written.
    """
    frames = read(store, run_id)
    facts = figures(frames, slo or slo_of(frames.run))
    judged = verdict(frames.run, facts)
    files = []
    if html is not None:
        files.append(_written(html, page(frames, facts, judged).encode()))
    if png is not None:
        files += [_written(png / f"{name}.png", image) for name, image in images(frames, facts)]
    return Rendered(frames.run.id, judged, tuple(files))


def slo_of(run: Run) -> Slo | None:
    """Return the objective among a run's options; None if it has none that can be read."""
    match run.options.get("slo"):
        case {"limit_seconds": float() | int() as limit, "share": float() | int() as share}:
            return Slo(float(limit), float(share))
        case str(text):
            try:
                return Slo.parse(text)
            except ValueError:
                return None
        case _:
            return None


def page(frames: RunFrames, facts: Figures, judged: Verdict) -> str:
    """Return the page's HTML. Everything in it that came from a run is escaped."""
    timeline = charts.timeline(frames, facts, SCREEN)
    check = frames.run.arrival_check
    gaps = arrival_chart.arrival_chart(check, SCREEN) if check else None
    everything = [*timeline, *([gaps] if gaps else [])]
    template = _environment().get_template("page.html.j2")
    return template.render(
        run=frames.run,
        options=_settings(frames.run),
        spans=frames.spans,
        f=facts,
        late=LATE_SECONDS,
        verdict=judged,
        timeline=timeline,
        gaps=gaps,
        charts={chart.key: {"spec": chart.spec, "data": list(chart.datasets)} for chart in everything},
        datasets=_shared(everything),
        vega=_vega(),
    )


@cache
def _vega() -> Markup:
    """Return Vega, Vega-Lite and vega-embed as one script, from vl-convert: nothing is fetched, nothing comes from a run."""
    script: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return Markup(script.replace("</script", "<\\/script"))  # noqa: S704


def images(frames: RunFrames, facts: Figures) -> Iterator[tuple[str, bytes]]:
    """Yield each chart of the page, then a CPU and a memory chart of each container, as (name, PNG bytes)."""
    for chart in charts.timeline(frames, facts, PAPER):
        yield chart.key, _png(chart)
    if frames.run.arrival_check and (gaps := arrival_chart.arrival_chart(frames.run.arrival_check, PAPER)):
        yield gaps.key, _png(gaps)
    for name, chart in container_charts.each_container(frames, PAPER):
        yield name, _png(chart)


def _png(chart: Chart) -> bytes:
    spec = {
        **chart.spec,
        "width": IMAGE_WIDTH,
        "title": chart.title,
        "datasets": chart.datasets,
        "padding": 12,
    }
    image: bytes = vl_convert.vegalite_to_png(spec, scale=IMAGE_SCALE)
    return image


def _shared(everything: Iterable[Chart]) -> dict[str, Any]:
    """Return the data sets of all charts, each once: those of one name are the same."""
    return {name: rows for chart in everything for name, rows in chart.datasets.items()}


def _settings(run: Run) -> list[tuple[str, str]]:
    """Return a run's options as they would be typed, those that were left off left out."""
    slo = slo_of(run)
    options = {**run.options, **({"slo": str(slo)} if slo else {})}
    return [
        (f"--{name.replace('_', '-')}", _typed(value))
        for name, value in sorted(options.items())
        if value is not None and value is not False
    ]


def _typed(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.12g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}
    for function in (
        words.percent,
        words.duration,
        words.after,
        words.count,
        words.number,
        words.probability,
        clock_words,
    ):
        environment.filters[function.__name__] = function
    return environment


def _written(file: Path, content: bytes) -> Path:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    except OSError as error:
        raise UserError(f"{file} cannot be written: {error.strerror}; give another place") from error
    return file
