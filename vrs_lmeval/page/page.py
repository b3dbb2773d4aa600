"""A Leaderboard -> one HTML page that holds everything it needs: no other file, no network."""

from __future__ import annotations

import base64
import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly import graph_objects as go
from plotly.offline import get_plotlyjs

from vrs_lmeval.leaderboard.board import Leaderboard, TaskBoard
from vrs_lmeval.leaderboard.board_report import NECESSARY, describe_power, describe_selection, describe_text_floor
from vrs_lmeval.leaderboard.groups import OVERALL, GroupContrast
from vrs_lmeval.leaderboard.modality_reliance import find_modality_reliance
from vrs_lmeval.leaderboard.reliability import Bin, find_reliability
from vrs_lmeval.leaderboard.report import HEADINGS, MOST_IMAGES, describe_floor, format_p_value
from vrs_lmeval.leaderboard.summary import summarise
from vrs_lmeval.leaderboard.verdict import Kind
from vrs_lmeval.metrics.calibration import VARIANTS
from vrs_lmeval.metrics.catalogue import METRICS
from vrs_lmeval.page.charts import (
    draw_accuracy,
    draw_contrasts,
    draw_modalities,
    draw_reliability,
    draw_severity,
    draw_vrs,
)
from vrs_lmeval.page.sample_browser import SHOWN_SAMPLES, fill_browser
from vrs_lmeval.page.thumbnails import Pictures
from vrs_lmeval.records import Interval

MANY_MODELS = 12
"""With more models, the table of pairs and the sentences would overfill the page: they are folded or cut."""

FEWEST_IMAGES = 20
"""The formula for the images needed holds for many images; below this number the page says only "under 20"."""

OUR_SCRIPTS = "OUR-SCRIPTS"  # stands for the hashes of the scripts that the page was made with
POLICY = f"default-src 'none'; script-src {OUR_SCRIPTS}; style-src 'unsafe-inline'; img-src data:; base-uri 'none'"
"""Whatever a model or a file's name slips into the page, nothing of it runs, and nothing is sent or fetched."""

RUNNING_SCRIPT = re.compile(r'<script(?: type="text/javascript")?>(.*?)</script>', re.DOTALL)

MARKS = {
    Kind.LOOKS.value: "\u25cf",
    Kind.ANSWERS_CHANGE.value: "\u25d0",
    Kind.HARDLY.value: "\u25cb",
    Kind.PREFERS_OTHER.value: "\u25bc",
    Kind.CANNOT_TELL.value: "?",
}
"""How the first table shows a verdict: by form, since colours do not print."""

MANY_NOTES = 8
"""With more warnings they are folded away; the models keep their mark."""


PAGE_HEADINGS = {
    "vrs": HEADINGS["vrs"],  # first: a phone shows few columns
    "vrs_of_ceiling": HEADINGS["vrs_of_ceiling"],
    "vrs_ceiling": "VRS of perfect sight",
    **HEADINGS,
}


def make_page(board: Leaderboard, samples: int = SHOWN_SAMPLES, pictures: Mapping[str, Pictures] | None = None) -> str:
    """The page. `samples` is how many questions of each task its browser holds; 0 leaves the browser out.

    `pictures`: by task, the pictures of the questions that `choose_samples` gives; None: the page holds no image.
    """
    environment = Environment(
        loader=PackageLoader("vrs_lmeval", "page"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    scripts = [get_plotlyjs(), environment.get_template("page.js").render()]
    environment.filters.update(
        number=_format_number,
        limits=_format_limits,
        p_value=format_p_value,
        count=_format_count,
        power=describe_power,
        text_floor=describe_text_floor,
        selection=describe_selection,
        floor=lambda task: describe_floor(task.blind_floor, task.standings[0].metrics),
        sortkey=_sort_key,
        bar=_draw_bar,
        figure=partial(_embed, scripts),
    )
    reliability = {task.task: _find_reliability(task) for task in board.boards}
    page = environment.get_template("page.html").render(
        policy=POLICY,
        board=board,
        summary=summarise(board.boards),
        overall=_find_overall(board),
        headings={
            task.task: {
                name: heading
                for name, heading in PAGE_HEADINGS.items()
                if all(name in standing.metrics for standing in task.standings)
            }
            for task in board.boards
        },
        charts=_draw_all(board, reliability),
        reliability=reliability,
        browsers={task.task: fill_browser(task, samples, (pictures or {}).get(task.task)) for task in board.boards},
        slices={task.task: _find_slice_rows(task) for task in board.boards},
        metric_tables={task.task: _list_metrics(task) for task in board.boards},
        axes={task.task: _find_axis(task) for task in board.boards},
        contrast_chart=draw_contrasts(board.contrasts) if board.contrasts else None,
        plotly=Markup(f"<script>{scripts[0]}</script>"),
        ours=Markup(f"<script>{scripts[1]}</script>"),
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        version=version("vrs_lmeval"),
        is_nan=math.isnan,
        MARKS=MARKS,
        MANY_MODELS=MANY_MODELS,
        MANY_NOTES=MANY_NOTES,
        NECESSARY=NECESSARY,
    )
    return page.replace(OUR_SCRIPTS, " ".join(_hash(script) for script in dict.fromkeys(scripts)), 1)


def _hash(script: str) -> str:
    """The source of a policy that allows this script."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _find_overall(board: Leaderboard) -> list[GroupContrast]:
    """The comparison of training data over all benchmarks; those of each where there is none."""
    return [each for each in board.contrasts if each.task == OVERALL] or list(board.contrasts)


Reliability = Sequence[tuple[str, Mapping[str, Sequence[Bin]]]]
"""For each model its label, and the bins of those VARIANTS that have bins."""


def _find_reliability(board: TaskBoard) -> Reliability:
    """The reliability of the first MANY_MODELS models."""
    found = [(standing.label, find_reliability(standing.run)) for standing in board.standings[:MANY_MODELS]]
    return [(label, {name: bins[name] for name in VARIANTS if name in bins}) for label, bins in found]


def _draw_all(
    board: Leaderboard, reliability: Mapping[str, Reliability]
) -> Mapping[str, Mapping[str, go.Figure | None]]:
    return {
        task.task: {
            "vrs": draw_vrs(task),
            "accuracy": draw_accuracy(task),
            "severity": draw_severity(task, MANY_MODELS),
            "reliability": draw_reliability(reliability[task.task]),
            "modalities": _draw_modalities(task),
        }
        for task in board.boards
    }


def _draw_modalities(board: TaskBoard) -> go.Figure | None:
    found = [(standing.label, find_modality_reliance(standing.run)) for standing in board.standings[:MANY_MODELS]]
    floors = [
        (floor.label, floor.metrics["text_reliance_absent"])
        for floor in board.floors
        if "text_reliance_absent" in floor.metrics
    ]
    return draw_modalities([(label, reliance) for label, reliance in found if reliance is not None], floors)


def _embed(scripts: list[str], figure: go.Figure, label: str) -> Markup:
    """The figure as a block with a name for screen readers; its numbers stand in a table beside it.

    Adds the scripts that draw it to `scripts`.
    """
    chart = figure.to_html(
        full_html=False, include_plotlyjs=False, config={"displayModeBar": False, "responsive": True}
    )
    scripts += RUNNING_SCRIPT.findall(chart)
    return Markup('<div class="chart" role="img" aria-label="{}">{}</div>').format(label, Markup(chart))


def _format_number(interval: Interval, signed: bool = False) -> str:
    if math.isnan(interval.estimate):
        return "none"
    return f"{interval.estimate:+.3f}" if signed else f"{interval.estimate:.3f}"


def _format_limits(interval: Interval, signed: bool = False) -> str:
    if math.isnan(interval.low):
        return f"no interval: {interval.reason}"
    sign = "+" if signed else ""
    return f"[{interval.low:{sign}.3f}, {interval.high:{sign}.3f}]"


def _format_count(number: float) -> str:
    """A number of images; empty if no number is enough, or if it is more than any study has."""
    if number < FEWEST_IMAGES:
        return f"under {FEWEST_IMAGES}"
    return f"{number:,.0f}" if number < MOST_IMAGES else ""


def _find_axis(board: TaskBoard) -> tuple[float, float]:
    """The range of the table's interval bars: it holds all VRS intervals and 0."""
    intervals = [s.metrics["vrs"] for s in board.standings if not math.isnan(s.metrics["vrs"].low)]
    ends = [-0.02, 0.02, *(interval.low for interval in intervals), *(interval.high for interval in intervals)]
    return min(ends), max(ends)


def _draw_bar(interval: Interval, axis: tuple[float, float]) -> Markup:
    """The interval as a bar with its estimate and 0 marked; screen readers skip it and read the numbers beside it."""
    start, width = axis[0], axis[1] - axis[0]
    low, high, estimate, zero = (
        100 * (value - start) / width for value in (interval.low, interval.high, interval.estimate, 0.0)
    )
    return Markup(
        '<span class="bar" aria-hidden="true"><i style="left:{:.1f}%;width:{:.1f}%"></i>'
        '<u style="left:{:.1f}%"></u><b style="left:{:.1f}%"></b></span>'
    ).format(low, high - low, estimate, zero)


def _sort_key(value: float) -> str:
    """The key by which the table sorts; NaN sorts last."""
    return "" if math.isnan(value) else f"{value:.6f}"


def _find_slice_rows(board: TaskBoard) -> list[tuple[str, str]]:
    """Every (field, value) for which a model of the board has an interval."""
    return sorted({key for standing in board.standings for key in standing.slices})


def _list_metrics(board: TaskBoard) -> dict[str, Any]:
    """Every metric of every model, and VRS of every kind of question: the page shows the one that a reader chooses."""
    names = dict.fromkeys(name for standing in board.standings for name in standing.metrics)
    metrics = [
        {
            "name": name,
            "formula": METRICS[name].formula if name in METRICS else "",
            "values": [_describe_metric(s.metrics.get(name), s.bootstraps.get(name)) for s in board.standings],
        }
        for name in names
    ]
    slices = [
        {
            "name": f"vrs, {key[0].replace('_', ' ')} {key[1]}",
            "formula": "vrs over these questions",
            "values": [_describe_metric(s.slices.get(key), None) for s in board.standings],
        }
        for key in _find_slice_rows(board)
    ]
    return {"models": [standing.label for standing in board.standings], "metrics": [*metrics, *slices]}


def _describe_metric(analytic: Interval | None, bootstrap: Interval | None) -> dict[str, Any] | None:
    if analytic is None:
        return None
    return {
        "estimate": None if math.isnan(analytic.estimate) else round(analytic.estimate, 6),
        "analytic": _round_limits(analytic),
        "bootstrap": None if bootstrap is None else _round_limits(bootstrap),
        "n": analytic.n,
        "images": analytic.clusters,
        "reason": analytic.reason or (bootstrap.reason if bootstrap else None),
    }


def _round_limits(interval: Interval) -> list[float] | None:
    return None if math.isnan(interval.low) else [round(interval.low, 6), round(interval.high, 6)]
