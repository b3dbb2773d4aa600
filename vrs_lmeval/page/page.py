"""A Leaderboard -> one HTML page that holds everything it needs: no other file, no network."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from vrs_lmeval.leaderboard.board import Leaderboard, TaskBoard
from vrs_lmeval.leaderboard.board_report import (
    NECESSARY,
    describe_power,
    describe_seen,
    describe_selection,
    describe_text_floor,
    find_seen_mark,
)
from vrs_lmeval.leaderboard.groups import OVERALL, GroupContrast
from vrs_lmeval.leaderboard.modality_reliance import find_modality_reliance
from vrs_lmeval.leaderboard.reliability import Bin, find_reliability
from vrs_lmeval.leaderboard.report import HEADINGS, MOST_IMAGES, describe_floor, format_p_value
from vrs_lmeval.leaderboard.summary import summarise
from vrs_lmeval.leaderboard.verdict import Kind
from vrs_lmeval.metrics.calibration import VARIANTS
from vrs_lmeval.page.axes import Axis
from vrs_lmeval.page.chart_parts import Chart, Forest
from vrs_lmeval.page.charts import draw_accuracy, draw_contrasts, draw_modalities, draw_vrs
from vrs_lmeval.page.curves import draw_reliability, draw_severity
from vrs_lmeval.page.filters import find_filters
from vrs_lmeval.page.metric_values import find_slices, list_metrics
from vrs_lmeval.page.sample_browser import LARGEST_CHARACTERS, LIGHT_CHARACTERS, SHOWN_SAMPLES, fill_browser
from vrs_lmeval.page.thumbnails import Pictures
from vrs_lmeval.records import Interval

MANY_MODELS = 12
"""With more models, the table of pairs and the sentences would overfill the page: they are folded or cut."""

FEWEST_IMAGES = 20
"""The formula for the images needed holds for many images; below this number the page says only "under 20"."""

SCRIPTS = ("filters.js", "tables.js", "charts.js", "sample_browser.js")

OUR_SCRIPT = "OUR-SCRIPT"  # stands for the hash of the script that the page was made with
POLICY = f"default-src 'none'; script-src {OUR_SCRIPT}; style-src 'unsafe-inline'; img-src data:; base-uri 'none'"
"""Whatever a model or a file's name slips into the page, nothing of it runs, and nothing is sent or fetched."""

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


def make_page(board: Leaderboard, samples: int | None = None, pictures: Mapping[str, Pictures] | None = None) -> str:
    """The page. `samples` is how many questions of each task its browser holds; 0 leaves the browser out.

    None: up to SHOWN_SAMPLES, as many as LIGHT_CHARACTERS for all tasks together allow, pictures included.
    `pictures`: by task, the pictures of the questions that `choose_samples` gives; None: the page holds no image.
    """
    environment = _make_environment()
    summary = summarise(board.boards)
    filters = find_filters(summary)
    numbers = filters.numbers
    count, largest = (samples, LARGEST_CHARACTERS)
    if count is None:
        taken = sum(len(file) for each in (pictures or {}).values() for file in each.files.values())
        count, largest = SHOWN_SAMPLES, max(0, LIGHT_CHARACTERS - taken) // max(1, len(board.boards))
    reliability = {task.task: _find_reliability(task) for task in board.boards}
    script = "\n".join(environment.get_template(name).render() for name in SCRIPTS)
    page = environment.get_template("page.html").render(
        policy=POLICY,
        board=board,
        summary=summary,
        filters=filters,
        numbers=numbers,
        overall=_find_overall(board),
        ceilings={task.task: _find_ceiling(task) for task in board.boards},
        headings={task.task: _find_headings(task) for task in board.boards},
        charts=_draw_all(board, reliability, numbers),
        reliability=reliability,
        browsers={
            task.task: fill_browser(task, count, (pictures or {}).get(task.task), numbers, largest)
            for task in board.boards
        },
        slices={task.task: find_slices(task) for task in board.boards},
        metric_tables={task.task: list_metrics(task, numbers) for task in board.boards},
        axes={task.task: _find_axis(task) for task in board.boards},
        contrast_chart=draw_contrasts(board.contrasts, numbers) if board.contrasts else None,
        script=Markup(f"<script>{script}</script>"),
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        version=version("vrs_lmeval"),
    )
    return page.replace(OUR_SCRIPT, _hash(script), 1)


def _make_environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("vrs_lmeval", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        number=_format_number,
        limits=_format_limits,
        p_value=format_p_value,
        count=_format_count,
        power=describe_power,
        text_floor=describe_text_floor,
        seen=describe_seen,
        seen_mark=find_seen_mark,
        selection=describe_selection,
        floor=lambda task: describe_floor(task.blind_floor, task.standings[0].metrics),
        sortkey=_sort_key,
        bar=_draw_bar,
    )
    environment.globals.update(
        is_nan=math.isnan,
        unit=Axis(0.0, 1.0, 1.0),
        MARKS=MARKS,
        MANY_MODELS=MANY_MODELS,
        MANY_NOTES=MANY_NOTES,
        NECESSARY=NECESSARY,
    )
    return environment


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


def _find_ceiling(task: TaskBoard) -> Interval | None:
    """The VRS of perfect sight on the task's questions, the same for all models; None where no run logged it."""
    found = [standing.metrics["vrs_ceiling"] for standing in task.standings if "vrs_ceiling" in standing.metrics]
    return found[0] if found and not math.isnan(found[0].estimate) else None


def _find_headings(task: TaskBoard) -> dict[str, str]:
    """The columns of the table: what at least one model has."""
    return {
        name: heading
        for name, heading in PAGE_HEADINGS.items()
        if any(name in standing.metrics for standing in task.standings)
    }


def _draw_all(
    board: Leaderboard, reliability: Mapping[str, Reliability], numbers: Mapping[str, int]
) -> Mapping[str, Mapping[str, Chart | Forest | None]]:
    return {
        task.task: {
            "vrs": draw_vrs(task, numbers),
            "accuracy": draw_accuracy(task, numbers),
            "severity": draw_severity(task, numbers, MANY_MODELS),
            "reliability": draw_reliability(reliability[task.task], numbers),
            "modalities": _draw_modalities(task, numbers),
        }
        for task in board.boards
    }


def _draw_modalities(board: TaskBoard, numbers: Mapping[str, int]) -> Chart | None:
    found = [(standing.label, find_modality_reliance(standing.run)) for standing in board.standings[:MANY_MODELS]]
    floors = [
        (floor.label, floor.metrics["text_reliance_absent"])
        for floor in board.floors
        if "text_reliance_absent" in floor.metrics
    ]
    return draw_modalities([(label, each) for label, each in found if each is not None], floors, numbers)


def _format_number(interval: Interval, signed: bool = False) -> str:
    if math.isnan(interval.estimate):
        return "none"
    return f"{interval.estimate:+.3f}" if signed else f"{interval.estimate:.3f}"


def _format_limits(interval: Interval, signed: bool = False) -> str:
    if math.isnan(interval.low):
        return f"no interval: {interval.reason}"
    sign = "+" if signed else ""
    return f"[{interval.low:{sign}.3f},\u00a0{interval.high:{sign}.3f}]"  # in one line, where a reason may break


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
