"""CPU and memory of containers: of all of them in one chart each, and of each by itself."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import altair as alt
import pandas as pd

from reports import chart_parts as parts
from reports import resample
from reports.chart_parts import DASHED, SOLID, Chart, Rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reports.frames import RunFrames
    from reports.theme import Theme

NAMED = 12
"""Up to this many containers have a colour and a legend entry each; more are told apart by order of appearance."""
RAMP = ("#2f7ec2", "#8a72b8", "#c9627a", "#d98200")
"""Colours of many containers, from the first to the last: of middle lightness, so that they show on white and on black."""
LIMITS = 4
"""More different limits than this are not drawn, but told under the pointer."""
HEADROOM = 1.15
"""How far the axis goes above the highest value, so that a limit's label has room."""
FAR_ABOVE = 10
"""A limit that is more than this many times the highest usage would press the lines to the floor: it is told, not drawn."""


class Measure(NamedTuple):
    """What of a container is drawn."""

    key: str
    title: str
    unit: str
    field: str
    limit: str
    form: str


CPU = Measure("cpu", "CPU per container", "cores", "cores", "limit_cores", ".3f")
MEMORY = Measure("memory", "Memory per container", "MB", "memory_mb", "memory_limit_mb", ",.1f")


def all_containers(frames: RunFrames, theme: Theme) -> list[Chart]:
    """Return the CPU and the memory of every container over time."""
    count = len(frames.inventory)
    seconds = resample.width(frames.end - frames.start, count)
    points = resample.container_bins(frames.containers, seconds)
    datasets = {
        "containers": _points(frames, points, seconds),
        "inventory": _inventory(frames),
        "pointer": _pointer(frames, points, seconds) if count <= NAMED else [],
    }
    return [_chart(measure, frames, datasets, seconds, theme) for measure in (CPU, MEMORY)]


def each_container(frames: RunFrames, theme: Theme) -> Iterator[tuple[str, Chart]]:
    """Yield a CPU and a memory chart of each container, with a safe file name (without suffix) for each."""
    seconds = resample.width(frames.end - frames.start)
    for number, row in enumerate(frames.inventory.to_dict("records")):
        own = frames.inventory.iloc[[number]].reset_index(drop=True)
        samples = frames.containers[frames.containers["container"] == row["container"]]
        points = resample.container_bins(samples, seconds)
        datasets = {
            "containers": _rows(points, {row["container"]: 1}, seconds),
            "inventory": _described(own, samples),
        }
        for measure in (CPU, MEMORY):
            chart = _chart(measure, frames, {**datasets, "pointer": []}, seconds, theme)
            yield f"{measure.key}-{file_name(row['label'])}", chart


def file_name(label: str) -> str:
    """Return a label as (a part of) a file name: letters, digits, dots and dashes, and nothing that leads elsewhere."""
    return re.sub(r"[^A-Za-z0-9.]+|\.{2,}", "-", label).strip("-.")[:100] or "container"


def _chart(
    measure: Measure, frames: RunFrames, datasets: dict[str, Rows], seconds: int, theme: Theme
) -> Chart:
    inventory = datasets["inventory"]
    limits, told = _limits(measure, inventory)
    bands, phases = parts.phases(frames, theme)
    highest = max([row[f"max_{measure.key}"] or 0.0 for row in inventory] + [row["limit"] for row in limits])
    y = alt.Y(title=measure.unit, scale=alt.Scale(domain=[0, HEADROOM * highest or 1.0], nice=False))
    layers = bands
    layers += _lines(measure, frames, y, inventory, seconds, theme)
    layers += parts.level(f"{measure.key}_limits", "limit", "label", theme) if limits else []
    if datasets["pointer"]:
        values = [
            (f"{measure.key}{row['c']}", f"{row['label']} [{measure.unit}]", measure.form)
            for row in inventory
        ]
        layers.append(parts.under_pointer("pointer", frames, theme, values))
    title, about = measure.title, _about(measure, len(inventory), seconds)
    if len(inventory) == 1:
        title = f"{measure.title.removesuffix(' per container')} of {inventory[0]['label']}"
    description = f"{title} over time, in {measure.unit}."
    return Chart(
        measure.key,
        title,
        f"{about} {told}".strip(),
        description,
        parts.finished(layers, theme, description=description),
        {**datasets, f"{measure.key}_limits": limits, "phases": phases},
    )


def _about(measure: Measure, count: int, seconds: int) -> str:
    words = "CPU cores in use" if measure is CPU else "Memory in use, in MB of 10⁶ bytes"
    if seconds > 1:
        words += (
            f", the mean over {seconds} s each; light bands reach up to the highest point"
            if measure is CPU
            else f", the highest of {seconds} s each"
        )
    many = "; colours run from the first container to appear to the last" if count > NAMED else ""
    return f"{words}{many}."


def _lines(
    measure: Measure, frames: RunFrames, y: alt.Y, inventory: Rows, seconds: int, theme: Theme
) -> list[alt.Chart]:
    looked_up = alt.LookupData(
        data=alt.NamedData("inventory"),
        key="c",
        fields=["label", "node", "limit_cores", "memory_limit_mb", *_SUMMARY],
    )
    color, dash = _colors(inventory, theme)
    base = (
        alt.Chart(alt.NamedData("containers"))
        .transform_lookup(lookup="c", from_=looked_up)
        .encode(x=parts.time(frames), detail="c:N")
    )
    layers = []
    if seconds > 1 and measure is CPU:
        band = base.mark_area(opacity=0.15, line=False, clip=True)
        layers.append(band.encode(y=parts.with_field(y, "cores"), y2="cores_max:Q", color=color))
    line = base.mark_line(strokeWidth=1.8, clip=True).encode(
        y=parts.with_field(y, measure.field), color=color
    )
    if dash is not None:
        return [*layers, line.encode(strokeDash=dash)]
    chosen = alt.selection_point(name="chosen", on="pointerover", clear="pointerout", fields=["c"])
    tooltip = [
        alt.Tooltip("label:N", title="container"),
        alt.Tooltip("node:N"),
        alt.Tooltip(f"mean_{measure.key}:Q", title=f"mean [{measure.unit}]", format=measure.form),
        alt.Tooltip(f"max_{measure.key}:Q", title=f"highest [{measure.unit}]", format=measure.form),
        alt.Tooltip(f"{measure.limit}:Q", title=f"limit [{measure.unit}]", format=measure.form),
    ]
    wide = base.mark_line(strokeWidth=9, opacity=0, clip=True, aria=False)
    return [
        *layers,
        line.encode(opacity=alt.condition(chosen, alt.value(0.9), alt.value(0.15))),
        wide.encode(y=parts.with_field(y, measure.field), tooltip=tooltip).add_params(chosen),
    ]


def _colors(inventory: Rows, theme: Theme) -> tuple[alt.Color, alt.StrokeDash | None]:
    if len(inventory) > NAMED:
        scale = alt.Scale(range=list(RAMP), domain=[1, len(inventory)])
        gradient = alt.Legend(
            title="container, in order of appearance", titleLimit=400, type="gradient", tickMinStep=1
        )
        return alt.Color("c:Q", scale=scale, legend=gradient), None
    labels = [row["label"] for row in inventory]
    legend = alt.Legend() if len(labels) > 1 else None
    colors = [theme.series[i % len(theme.series)] for i in range(len(labels))]
    dashes = [(SOLID, DASHED)[i // len(theme.series)] for i in range(len(labels))]
    return (
        alt.Color("label:N", scale=alt.Scale(domain=labels, range=colors), legend=legend),
        alt.StrokeDash("label:N", scale=alt.Scale(domain=labels, range=dashes), legend=legend),
    )


def _limits(measure: Measure, inventory: Rows) -> tuple[Rows, str]:
    """Return the limits to draw, and what to say of those that are not drawn."""
    limits = sorted({row[measure.limit] for row in inventory if row[measure.limit] is not None})
    unlimited = sum(row[measure.limit] is None for row in inventory)
    highest = max((row[f"max_{measure.key}"] or 0.0 for row in inventory), default=0.0)
    near = [limit for limit in limits if limit <= FAR_ABOVE * highest]
    told = []
    if not limits:
        told.append("No container has a limit." if unlimited > 1 else "There is no limit.")
    elif len(limits) > LIMITS:
        return [], f"There are {len(limits)} different limits; the table of replicas has them."
    elif len(near) < len(limits):
        told.append(f"Far above the chart: the limit of {limits[-1]:,g} {measure.unit}.")
    if limits and unlimited:
        told.append(f"{unlimited} of {len(inventory)} containers have no limit.")
    return [{"limit": limit, "label": f"limit {limit:,g} {measure.unit}"} for limit in near], " ".join(told)


_SUMMARY = ("mean_cpu", "max_cpu", "mean_memory", "max_memory")


def _inventory(frames: RunFrames) -> Rows:
    return _described(frames.inventory, frames.containers)


def _described(inventory: pd.DataFrame, samples: pd.DataFrame) -> Rows:
    grouped = samples.groupby("container", sort=False)
    summary = pd.DataFrame(
        {
            "mean_cpu": grouped["cores"].mean(),
            "max_cpu": grouped["cores"].max(),
            "mean_memory": grouped["memory_mb"].mean(),
            "max_memory": grouped["memory_mb"].max(),
            "limit_cores": grouped["limit_cores"].last(),
            "memory_limit_mb": grouped["memory_limit_mb"].last(),
        }
    )
    table = inventory[["container", "label", "node"]].join(summary, on="container").drop(columns="container")
    return parts.rows(table.set_axis(pd.RangeIndex(1, len(table) + 1, name="c")).reset_index())


def _numbers(frames: RunFrames) -> dict[str, int]:
    """Return the containers' numbers, 1 for the first to appear: short, where an id in each row would not be."""
    return {container: number for number, container in enumerate(frames.inventory["container"], start=1)}


def _points(frames: RunFrames, points: pd.DataFrame, seconds: int) -> Rows:
    return _rows(points, _numbers(frames), seconds)


def _rows(points: pd.DataFrame, numbers: dict[str, int], seconds: int) -> Rows:
    names = ["t", "cores", "memory_mb", *(["cores_max"] if seconds > 1 else [])]
    return parts.rows(points[names].assign(c=points["container"].map(numbers)), digits=3)


def _pointer(frames: RunFrames, points: pd.DataFrame, seconds: int) -> Rows:
    """Return what the pointer tells: one row a bin, with a column for each container's CPU and memory."""
    step = max(seconds, resample.width(frames.end - frames.start))
    begin = (points["t"] // step) * step
    numbers = _numbers(frames)
    table = pd.DataFrame({"t": begin})
    for measure in (CPU, MEMORY):
        for container, number in numbers.items():
            table[f"{measure.key}{number}"] = points[measure.field].where(points["container"] == container)
    means = table.groupby("t", as_index=False).mean()
    return parts.rows(means.assign(end=means["t"] + step), digits=3)
