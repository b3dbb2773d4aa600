"""A Leaderboard -> tables on the terminal, Markdown, CSV and JSON; `page.py` makes the HTML page."""

from __future__ import annotations

import csv
import html
import io
import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.markup import escape
from rich.table import Table

from vrs_lmeval.leaderboard.board import Leaderboard, Standing, TaskBoard
from vrs_lmeval.leaderboard.groups import GroupContrast
from vrs_lmeval.leaderboard.pairs import PLANNED_DIFFERENCE, PairTest
from vrs_lmeval.leaderboard.report import HEADINGS, describe_floor, format_cell, make_markdown_row, without_nan
from vrs_lmeval.records import Interval

SHOWN = ("acc", "acc_blank", "acc_shuffled", "vrs", "vrs_of_ceiling", "vrs_from_unread", "parse_failure_rate")
RANKS = (
    "Ranks are by the part of VRS that comes from answers read under both images (a refusal ranks nobody), and hold "
    "jointly at 95 %."
)
CSV_COLUMNS = (
    "task",
    "model",
    "training",
    "base",
    "size",
    "best_rank",
    "worst_rank",
    "metric",
    "estimate",
    "low",
    "high",
    "n",
    "images",
    "method",
    "reason",
    "bootstrap_low",
    "bootstrap_high",
)


def make_task_table(task: TaskBoard) -> Table:
    """For a terminal."""
    table = Table(title=escape(_title(task)), title_justify="left")
    table.add_column("model", overflow="fold")
    for heading in ("rank", *(HEADINGS[name] for name in _names(task)), "training data"):
        table.add_column(heading, justify="right")
    for standing in task.standings:
        table.add_row(*map(escape, _cells(task, standing)))
    return table


def make_task_notes(task: TaskBoard) -> list[str]:
    """What the table says of each model, what could be found, and warnings, a sentence each."""
    power = [] if math.isnan(task.detectable) else [f"What can be found here: {describe_power(task)}"]
    warnings = [
        f"! {standing.label}: {'; '.join(standing.warnings)}." for standing in task.standings if standing.warnings
    ]
    return [*(standing.verdict for standing in task.standings), *power, *warnings]


def make_board_notes(board: Leaderboard) -> list[str]:
    """Conclusions on training data, and what was left out, a sentence each."""
    conclusions = [
        conclusion
        for contrast in board.contrasts
        for conclusion in (contrast.conclusion, contrast.matched_conclusion)
        if conclusion is not None
    ]
    return [*conclusions, *(f"left out: {each.name}: {each.reason}" for each in board.left_out)]


def describe_power(task: TaskBoard) -> str:
    """The difference of two models' VRS that a study like this finds, and how large one for a small one must be."""
    questions = task.needed_images * task.questions / task.images
    return (
        f"two of its models whose VRS truly differ by {task.detectable:.3f} are told apart with 80 % power (one test "
        f"at 5 %, the median pair); a difference of {PLANNED_DIFFERENCE:.2f} needs about "
        f"{task.needed_images:,.0f} images like these with {questions:,.0f} questions."
    )


def make_board_markdown(board: Leaderboard) -> str:
    """The tables and notes as a Markdown page."""
    lines = ["# Which model looks at the image?", ""]
    for task in board.boards:
        headings = ["model", "rank", *(HEADINGS[name] for name in _names(task)), "training data"]
        lines += [f"## {_title(task)}", "", make_markdown_row(headings), "|---" * len(headings) + "|"]
        lines += [make_markdown_row(_cells(task, standing)) for standing in task.standings]
        floor = describe_floor(task.blind_floor, task.standings[0].metrics)
        lines += ["", f"{floor} {RANKS}", ""]
        lines += [*_list_items(make_task_notes(task)), ""]
    return "\n".join([*lines, *_list_items(make_board_notes(board))]) + "\n"


def _list_items(notes: Sequence[str]) -> list[str]:
    return [f"- {html.escape(note, quote=False)}" for note in notes]


def make_board_csv(board: Leaderboard) -> str:
    """A row per task, model and metric; an estimate or limit that does not exist is empty."""
    out = io.StringIO()
    writer = csv.DictWriter(out, CSV_COLUMNS, lineterminator="\n")
    writer.writeheader()
    for task in board.boards:
        for standing in task.standings:
            for name, value in standing.metrics.items():
                writer.writerow(_csv_row(task, standing, name, value))
    return out.getvalue()


def make_board_json(board: Leaderboard) -> str:
    """Everything but the samples, as JSON; a limit that does not exist is null, with its reason beside it."""
    content = {
        "tasks": [_describe_task(task) for task in board.boards],
        "training_data": [_describe_contrast(contrast) for contrast in board.contrasts],
        "left_out": [asdict(each) for each in board.left_out],
    }
    return json.dumps(without_nan(content), indent=2) + "\n"


def _describe_task(task: TaskBoard) -> dict[str, Any]:
    return {
        "task": task.task,
        "questions": task.questions,
        "images": task.images,
        "blind_floor": task.blind_floor,
        "detectable_difference": task.detectable,
        "images_needed_for_0.05": task.needed_images,
        "models": [_describe_standing(standing) for standing in task.standings],
        "pairs": [_describe_pair(task, pair) for pair in task.pairs],
    }


def _describe_pair(task: TaskBoard, pair: PairTest) -> dict[str, Any]:
    names = {"first": task.standings[pair.first].label, "second": task.standings[pair.second].label}
    return asdict(pair) | names


def _describe_contrast(contrast: GroupContrast) -> dict[str, Any]:
    sentences = {"conclusion": contrast.conclusion, "matched_conclusion": contrast.matched_conclusion}
    return asdict(contrast) | sentences


def _describe_standing(standing: Standing) -> dict[str, Any]:
    return {
        "model": standing.run.model,
        "label": standing.label,
        "card": asdict(standing.card),
        "best_rank": standing.best_rank,
        "worst_rank": standing.worst_rank,
        "metrics": {
            name: asdict(value) | {"bootstrap": asdict(standing.bootstraps[name])}
            for name, value in standing.metrics.items()
        },
        "vrs_by": [
            {"field": field, "value": value, "vrs": asdict(interval)}
            for (field, value), interval in standing.slices.items()
        ],
        "verdict": standing.verdict,
        "verdict_kind": standing.verdict_kind,
        "warnings": standing.warnings,
    }


def _csv_row(task: TaskBoard, standing: Standing, name: str, value: Interval) -> dict[str, Any]:
    row = {"task": task.task, "model": standing.label, "best_rank": standing.best_rank, "metric": name}
    row |= {"worst_rank": standing.worst_rank, "n": value.n, "images": value.clusters, "method": value.method}
    row |= {field: getattr(standing.card, field) for field in ("training", "base", "size")}
    bootstrap = standing.bootstraps[name]
    numbers = {"estimate": value.estimate, "low": value.low, "high": value.high}
    numbers |= {"bootstrap_low": bootstrap.low, "bootstrap_high": bootstrap.high}
    return (
        row | {key: "" if math.isnan(number) else number for key, number in numbers.items()} | {"reason": value.reason}
    )


def _title(task: TaskBoard) -> str:
    return f"{task.task}: {task.questions} questions on {task.images} images"


def _names(task: TaskBoard) -> list[str]:
    return [name for name in SHOWN if all(name in standing.metrics for standing in task.standings)]


def _cells(task: TaskBoard, standing: Standing) -> list[str]:
    best, worst = standing.best_rank, standing.worst_rank
    cells = [standing.label, str(best) if best == worst else f"{best}-{worst}"]
    cells += [format_cell(name, standing.metrics, with_interval=("vrs",)) for name in _names(task)]
    return [*cells, standing.card.training or "not given"]
