"""A Leaderboard -> one HTML page that holds everything it needs: no other file, no network."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from datetime import datetime, timezone
from importlib.metadata import version
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly import graph_objects as go
from plotly.offline import get_plotlyjs

from vrs_lmeval.leaderboard.board import Leaderboard, Standing, TaskBoard
from vrs_lmeval.leaderboard.charts import draw_accuracy, draw_contrasts, draw_severity, draw_vrs
from vrs_lmeval.leaderboard.pictures import Pictures
from vrs_lmeval.leaderboard.report import HEADINGS, format_interval
from vrs_lmeval.leaderboard.results import ScoredSample
from vrs_lmeval.records import Interval

SHOWN_SAMPLES = 200
"""Questions a task in the sample browser: chosen by the hash of their id, so that no answer decides."""

SHOWN_CHARACTERS = 1000
"""Of one answer in the sample browser."""


def make_page(board: Leaderboard, samples: int = SHOWN_SAMPLES, pictures: Mapping[str, Pictures] | None = None) -> str:
    """The page; `samples` is how many questions of each task its browser holds, 0 leaves the browser out.

    `pictures`: by task, what `choose_samples` were asked with; without, the page holds no image.
    """
    environment = Environment(
        loader=PackageLoader("vrs_lmeval", "leaderboard"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters.update(interval=format_interval, short=_format_short, sortkey=_sort_key, figure=_embed)
    return environment.get_template("page.html").render(
        board=board,
        headings={"vrs": HEADINGS["vrs"]} | HEADINGS,  # VRS first: a phone shows two columns
        charts=_draw_all(board),
        browsers={task.task: _fill_browser(task, samples, (pictures or {}).get(task.task)) for task in board.boards},
        slices={task.task: _find_slice_rows(task) for task in board.boards},
        contrast_chart=draw_contrasts(board.contrasts) if board.contrasts else None,
        plotly=Markup(f"<script>{get_plotlyjs()}</script>"),
        made=datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        version=version("vrs_lmeval"),
        is_nan=math.isnan,
    )


def _draw_all(board: Leaderboard) -> Mapping[str, Mapping[str, go.Figure | None]]:
    return {
        task.task: {"vrs": draw_vrs(task), "accuracy": draw_accuracy(task), "severity": draw_severity(task)}
        for task in board.boards
    }


def _embed(figure: go.Figure, label: str) -> Markup:
    """The figure as a block with a name for screen readers; its numbers stand in a table beside it."""
    chart = figure.to_html(
        full_html=False, include_plotlyjs=False, config={"displayModeBar": False, "responsive": True}
    )
    return Markup('<div class="chart" role="img" aria-label="{}">{}</div>').format(label, Markup(chart))


def _format_short(interval: Interval) -> str:
    """For a narrow cell: an interval that does not exist is left out, the page says why below the table."""
    return f"{interval.estimate:+.3f}" if math.isnan(interval.low) else format_interval(interval, signed=True)


def _sort_key(value: float) -> str:
    """What the table sorts by; a NaN sorts last."""
    return "" if math.isnan(value) else f"{value:.6f}"


def _find_slice_rows(board: TaskBoard) -> list[tuple[str, str]]:
    """Every (field, value) that a model of the board has an interval for."""
    return sorted({key for standing in board.standings for key in standing.slices})


def choose_samples(board: TaskBoard, count: int = SHOWN_SAMPLES) -> list[ScoredSample]:
    """The questions that the browser shows, in its order."""
    samples = board.standings[0].run.samples
    return sorted(samples, key=lambda sample: hashlib.sha256(sample.sample_id.encode()).digest())[:count]


def _fill_browser(board: TaskBoard, count: int, pictures: Pictures | None) -> dict[str, Any]:
    """What the browser shows: of each chosen question the answers by model and variant, and perhaps its pictures."""
    by_model = [(standing, {s.sample_id: s for s in standing.run.samples}) for standing in board.standings]
    pictures = pictures or Pictures()
    return {
        "samples": [
            _describe(sample, by_model) | {"pictures": list(pictures.shown.get(sample.sample_id, {}).items())}
            for sample in choose_samples(board, count)
        ],
        "files": pictures.files,
    }


def _describe(sample: ScoredSample, by_model: list[tuple[Standing, dict[str, ScoredSample]]]) -> dict[str, Any]:
    return {
        "id": sample.sample_id,
        "question": sample.question,
        "golds": list(sample.golds),
        "image": sample.image_id,
        "type": sample.question_type or sample.answer_type,
        "answers": [
            {
                "model": standing.label,
                "variants": [
                    {
                        "name": name,
                        "text": _shorten(answer.text),
                        "correct": answer.correct,
                        "parsed": answer.is_parsed,
                        "image": answer.image_id,
                    }
                    for name, answer in samples[sample.sample_id].answers.items()
                ],
            }
            for standing, samples in by_model
        ],
    }


def _shorten(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]} ... ({len(text)} characters)"
