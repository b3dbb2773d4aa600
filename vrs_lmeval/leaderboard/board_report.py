"""A Leaderboard -> tables on the terminal, Markdown, CSV and JSON; `page.py` makes the HTML page."""

from __future__ import annotations

import csv
import io
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.markup import escape
from rich.table import Table

from vrs_lmeval.leaderboard.board import Leaderboard, Standing, TaskBoard
from vrs_lmeval.leaderboard.groups import FIRST, SECOND, GroupContrast
from vrs_lmeval.leaderboard.model_cards import Split
from vrs_lmeval.leaderboard.pairs import PLANNED_DIFFERENCE, PairTest
from vrs_lmeval.leaderboard.report import HEADINGS, describe_floor, format_cell, make_markdown_row, without_nan
from vrs_lmeval.leaderboard.shown_text import escape_markdown
from vrs_lmeval.leaderboard.summary import BoardSummary, summarise
from vrs_lmeval.leaderboard.text_floors import TextFloor
from vrs_lmeval.leaderboard.verdict import MANY_UNREAD
from vrs_lmeval.leaderboard.vision_necessary import NecessaryRow, VisionNecessary
from vrs_lmeval.records import Interval

TEXT_ONLY = "text alone"
"""What a table says in the column of training data for a model that was shown no image."""

NECESSARY = "questions that no other model answers without an image"
NECESSARY_HEADINGS = ["model", "rank", "questions", "images", "accuracy", "VRS"]

SHOWN = ("acc", "acc_blank", "acc_shuffled", "vrs", "vrs_of_ceiling", "vrs_from_unread", "parse_failure_rate")
RANKS = (
    "Ranks are by the part of VRS that comes from answers read under both images (a refusal ranks nobody), and hold "
    "jointly at 95 %."
)
SEEN_MARKS = {"training": "\N{DAGGER}", "test": "\N{DOUBLE DAGGER}"}
"""Behind the name of a model that was trained on a benchmark's training split, or on its test questions."""

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
    "trained_on_split",
)


def make_task_table(task: TaskBoard) -> Table:
    """The models of one task, as a table for a terminal."""
    table = Table(title=escape(_title(task)), title_justify="left")
    table.add_column("model", overflow="fold")
    for heading in ("rank", *(HEADINGS[name] for name in _names(task)), "training data"):
        table.add_column(heading, justify="right")
    for standing in task.standings:
        table.add_row(*map(escape, _cells(task, standing)))
    for floor in task.floors:
        table.add_row(*map(escape, _floor_cells(task, floor)), style="dim")
    return table


def make_necessary_table(task: TaskBoard) -> Table | None:
    """The models on the questions that need the image; None if nobody asked for it, or no such question is known."""
    if task.vision_necessary is None:
        return None
    table = Table(title=escape(f"{task.task}: {NECESSARY}"), title_justify="left")
    table.add_column("model", overflow="fold")
    for heading in NECESSARY_HEADINGS[1:]:
        table.add_column(heading, justify="right")
    for row in task.vision_necessary.rows:
        table.add_row(*map(escape, _necessary_cells(row)))
    return table


def make_task_notes(task: TaskBoard) -> list[str]:
    """Sentences below the table: a verdict for each model, the differences that could be found, and warnings."""
    power = [] if math.isnan(task.detectable) else [f"What can be found here: {describe_power(task)}"]
    warnings = [
        f"! {standing.label}: {'; '.join(standing.warnings)}." for standing in task.standings if standing.warnings
    ]
    floors = [describe_text_floor(floor) for floor in task.floors]
    necessary = [] if task.vision_necessary is None else [describe_selection(task.vision_necessary)]
    verdicts = [standing.verdict for standing in task.standings]
    return [*verdicts, *describe_seen(task), *floors, *necessary, *power, *warnings]


def describe_seen(task: TaskBoard) -> list[str]:
    """What the marks behind names say, each once; and how many models of either kind of training bear one."""
    seen = {standing.label: split for standing in task.standings if (split := _find_seen_split(standing))}
    if not seen:
        return []
    said = {"training": "trained on this benchmark's training split", "test": "trained on its test questions"}
    found = [split for split in SEEN_MARKS if split in seen.values()]
    notes = [f"{SEEN_MARKS[split]} {said[split]}, by its model card." for split in found]
    kinds = Counter(standing.card.training for standing in task.standings)
    marked = Counter(standing.card.training for standing in task.standings if standing.label in seen)
    counts = [f"{marked[kind]} of {kinds[kind]} {kind}" for kind in (FIRST, SECOND) if kinds[kind]]
    if len(counts) == 2:
        notes.append(f"So marked are {' and '.join(counts)} models: a difference between the two may be that.")
    return notes


def find_seen_mark(standing: Standing) -> str:
    """The mark behind the name of a model that has seen the benchmark's data; "" behind others."""
    split = _find_seen_split(standing)
    return SEEN_MARKS[split] if split else ""


def _find_seen_split(standing: Standing) -> Split | None:
    return standing.card.find_seen_split(standing.run.task)


def describe_text_floor(floor: TextFloor) -> str:
    """What a model without eyes gets right, and which seeing models are not shown to be better."""
    said = [
        f"{words} {format_cell(name, floor.metrics, with_interval=(name,))}"
        for name, words in (("acc_absent", "without a word about it"), ("acc_guess", "told to guess"))
        if name in floor.metrics
    ]
    below = [label for label, above in floor.above.items() if above.low <= 0]
    text = f"{floor.label} was shown no image{', and is right ' if said else ''}{', '.join(said)}."
    unread = floor.metrics.get("parse_failure_rate")
    if unread is not None and unread.estimate > MANY_UNREAD:
        text += f" {unread.estimate:.0%} of its answers could not be read, so this is a low floor."
    if below:
        verb = "is" if len(below) == 1 else "are"
        text += f" With the image, {', '.join(below)} {verb} not shown to be right more often."
    return text


def describe_selection(chosen: VisionNecessary) -> str:
    """How the questions that need the image were chosen, and how their ranks are found."""
    return (
        "Questions that need the image: each model is judged on those that no other model answers without one (absent "
        f"or guess; asked so: {', '.join(chosen.chosen_by)}). So models differ in their questions, and a question that "
        "all guess wrong counts as needing it. Ranks hold jointly at 95 % (Bonferroni)."
    )


def make_board_notes(board: Leaderboard) -> list[str]:
    """Sentences on training data, and one for each thing that was left out."""
    conclusions = [
        conclusion
        for contrast in board.contrasts
        for conclusion in (contrast.conclusion, contrast.matched_conclusion)
        if conclusion is not None
    ]
    return [*conclusions, *(f"left out: {each.name}: {each.reason}" for each in board.left_out)]


def describe_power(task: TaskBoard) -> str:
    """The difference of two models' VRS that a study like this finds, and how many images a small difference needs."""
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
        lines += [f"## {escape_markdown(_title(task))}", "", make_markdown_row(headings), "|---" * len(headings) + "|"]
        lines += [make_markdown_row(_cells(task, standing)) for standing in task.standings]
        lines += [make_markdown_row(_floor_cells(task, floor)) for floor in task.floors]
        if task.vision_necessary is not None:
            lines += ["", f"### {NECESSARY}", "", make_markdown_row(NECESSARY_HEADINGS)]
            lines += ["|---" * len(NECESSARY_HEADINGS) + "|"]
            lines += [make_markdown_row(_necessary_cells(row)) for row in task.vision_necessary.rows]
        floor = describe_floor(task.blind_floor, task.standings[0].metrics)
        lines += ["", f"{floor} {RANKS}", ""]
        lines += [*_list_items(make_task_notes(task)), ""]
    return "\n".join([*lines, *_list_items(make_board_notes(board))]) + "\n"


def _list_items(notes: Sequence[str]) -> list[str]:
    return [f"- {escape_markdown(note)}" for note in notes]


def make_board_csv(board: Leaderboard) -> str:
    """A row per task, model and metric; an estimate or limit that does not exist is empty."""
    out = io.StringIO()
    writer = csv.DictWriter(out, CSV_COLUMNS, lineterminator="\n")
    writer.writeheader()
    for task in board.boards:
        for standing in task.standings:
            for name, value in standing.metrics.items():
                writer.writerow(_csv_row(task, standing, name, value))
        for floor in task.floors:
            for name, value in floor.metrics.items():
                row = {"task": task.task, "model": floor.label, "training": TEXT_ONLY, "metric": name}
                writer.writerow(row | _csv_interval(value))
    return out.getvalue()


def make_board_json(board: Leaderboard) -> str:
    """Everything but the samples, as JSON; a limit that does not exist is null, with its reason beside it."""
    content = {
        "summary": _describe_summary(summarise(board.boards)),
        "tasks": [_describe_task(task) for task in board.boards],
        "training_data": [_describe_contrast(contrast) for contrast in board.contrasts],
        "left_out": [asdict(each) for each in board.left_out],
    }
    return json.dumps(without_nan(content), indent=2) + "\n"


def _describe_summary(summary: BoardSummary) -> dict[str, Any]:
    models = [
        {
            "label": each.label,
            "training": each.training,
            "sentence": each.sentence,
            "mean_vrs": None if each.mean is None else asdict(each.mean),
        }
        for each in summary.models
    ]
    return {"mean_over": list(summary.benchmarks), "models": models}


def _describe_task(task: TaskBoard) -> dict[str, Any]:
    return {
        "task": task.task,
        "questions": task.questions,
        "images": task.images,
        "blind_floor": task.blind_floor,
        "detectable_difference": task.detectable,
        "images_needed_for_0.05": task.needed_images,
        "models": [_describe_standing(standing) for standing in task.standings],
        "text_floors": [_describe_floor(floor) for floor in task.floors],
        "vision_necessary": None if task.vision_necessary is None else asdict(task.vision_necessary),
        "pairs": [_describe_pair(task, pair) for pair in task.pairs],
    }


def _describe_floor(floor: TextFloor) -> dict[str, Any]:
    return {
        "model": floor.run.model,
        "label": floor.label,
        "task": floor.run.task,
        "metrics": {name: asdict(value) for name, value in floor.metrics.items()},
        "accuracy_with_image_above_it": {label: asdict(value) for label, value in floor.above.items()},
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
        "trained_on_split": _find_seen_split(standing),
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
    row |= {"worst_rank": standing.worst_rank}
    row |= {field: getattr(standing.card, field) for field in ("training", "base", "size")}
    row |= {"trained_on_split": _find_seen_split(standing)}
    bootstrap = standing.bootstraps[name]
    limits = {"bootstrap_low": bootstrap.low, "bootstrap_high": bootstrap.high}
    return row | _csv_interval(value) | _leave_out_nan(limits)


def _csv_interval(value: Interval) -> dict[str, Any]:
    numbers = _leave_out_nan({"estimate": value.estimate, "low": value.low, "high": value.high})
    return numbers | {"n": value.n, "images": value.clusters, "method": value.method, "reason": value.reason}


def _leave_out_nan(numbers: Mapping[str, float]) -> dict[str, Any]:
    return {key: "" if math.isnan(number) else number for key, number in numbers.items()}


def _title(task: TaskBoard) -> str:
    return f"{task.task}: {task.questions} questions on {task.images} images"


def _names(task: TaskBoard) -> list[str]:
    return [name for name in SHOWN if all(name in standing.metrics for standing in task.standings)]


def _cells(task: TaskBoard, standing: Standing) -> list[str]:
    best, worst = standing.best_rank, standing.worst_rank
    split = _find_seen_split(standing)
    label = standing.label if split is None else f"{standing.label} {SEEN_MARKS[split]}"
    cells = [label, str(best) if best == worst else f"{best}-{worst}"]
    cells += [format_cell(name, standing.metrics, with_interval=("vrs",)) for name in _names(task)]
    return [*cells, standing.card.training or "not given"]


def _floor_cells(task: TaskBoard, floor: TextFloor) -> list[str]:
    """The row of a floor: its accuracy without an image under that heading; cells that need an image are empty."""
    shown = {"acc": "acc_absent", "parse_failure_rate": "parse_failure_rate"}
    cells = [
        format_cell(shown[name], floor.metrics) if shown.get(name) in floor.metrics else "" for name in _names(task)
    ]
    return [f"{floor.label} (no image)", "", *cells, TEXT_ONLY]


def _necessary_cells(row: NecessaryRow) -> list[str]:
    rank = str(row.best_rank) if row.best_rank == row.worst_rank else f"{row.best_rank}-{row.worst_rank}"
    intervals = {"acc": row.accuracy, "vrs": row.vrs}
    return [
        row.label,
        rank,
        str(row.questions),
        str(row.images),
        *(format_cell(name, intervals, with_interval=("acc", "vrs")) for name in intervals),
    ]
