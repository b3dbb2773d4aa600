"""A Comparison -> a table on the terminal, a Markdown page and JSON."""

from __future__ import annotations

import json
import math
from dataclasses import asdict

from rich.table import Table

from vrs_lmeval.leaderboard.comparison import Comparison, ModelRow
from vrs_lmeval.records import Interval

HEADINGS = {
    "acc": "accuracy, real image",
    "acc_blank": "blank image",
    "acc_shuffled": "another image",
    "vrs": "VRS",
    "image_sensitivity": "image sensitivity",
    "parse_failure_rate": "unparsable",
}
WITH_INTERVAL = ("acc", "vrs", "image_sensitivity")


def make_table(comparison: Comparison) -> Table:
    """The comparison for a terminal."""
    table = Table(title=_title(comparison), title_justify="left")
    table.add_column("model")
    for name in _metric_names(comparison):
        table.add_column(HEADINGS[name], justify="right")
    for row in comparison.rows:
        table.add_row(*_cells(comparison, row))
    return table


def make_caption(comparison: Comparison) -> str:
    """What the numbers are, and what a model without eyes could reach."""
    return (
        "VRS = accuracy(real image) - accuracy(another image). Brackets: 95 % intervals, clustered by image. "
        f"Blind floor (most frequent answers, no image): {comparison.blind_floor:.3f}."
    )


def make_markdown(comparison: Comparison) -> str:
    """The comparison as a Markdown page."""
    names = _metric_names(comparison)
    lines = [
        f"# {_title(comparison)}",
        "",
        "| model | " + " | ".join(HEADINGS[name] for name in names) + " |",
        "|---|" + "---:|" * len(names),
        *("| " + " | ".join(_cells(comparison, row)) + " |" for row in comparison.rows),
        "",
        make_caption(comparison),
        "",
        *(f"- {sentence}" for sentence in make_conclusions(comparison)),
    ]
    return "\n".join(lines) + "\n"


def make_json(comparison: Comparison) -> str:
    """The comparison as JSON; a limit that does not exist is null, with its reason beside it."""
    return json.dumps(without_nan(asdict(comparison)), indent=2) + "\n"


def make_conclusions(comparison: Comparison) -> list[str]:
    """One plain sentence per model, and one per difference."""
    reference = comparison.rows[0].model
    judged = [f"{row.model} {judge(row.metrics['vrs'])}" for row in comparison.rows if "vrs" in row.metrics]
    compared = [
        f"VRS of {row.model} minus VRS of {reference}: {format_interval(row.difference, signed=True)}"
        for row in comparison.rows
        if row.difference is not None
    ]
    return judged + compared


def format_interval(interval: Interval, signed: bool = False) -> str:
    """`0.41 [0.32, 0.50]`, or the estimate and why it has no interval."""
    number = "{:+.3f}" if signed else "{:.3f}"
    if math.isnan(interval.low):
        return f"{number.format(interval.estimate)} [no interval: {interval.reason}]"
    return f"{number.format(interval.estimate)} [{number.format(interval.low)}, {number.format(interval.high)}]"


def judge(vrs: Interval) -> str:
    """Whether a model with this VRS looks at the image, as the predicate of a sentence about it."""
    if math.isnan(vrs.low):
        return f"gives no sign of looking at the image ({vrs.reason})" if vrs.estimate == 0 else "cannot be judged"
    if vrs.low > 0:
        return f"looks at the image: its VRS is above 0 ({format_interval(vrs, signed=True)})"
    if vrs.high < 0:
        return f"does better with another image: its VRS is below 0 ({format_interval(vrs, signed=True)})"
    return f"gives no sign of looking at the image: its VRS may be 0 ({format_interval(vrs, signed=True)})"


def _title(comparison: Comparison) -> str:
    return f"{comparison.task}: {comparison.questions} questions on {comparison.images} images"


def _metric_names(comparison: Comparison) -> list[str]:
    return [name for name in HEADINGS if name in comparison.rows[0].metrics]


def _cells(comparison: Comparison, row: ModelRow) -> list[str]:
    return [row.model, *(_cell(name, row.metrics[name]) for name in _metric_names(comparison))]


def _cell(name: str, interval: Interval) -> str:
    if name not in WITH_INTERVAL:
        return f"{interval.estimate:.3f}"
    return format_interval(interval, signed=name == "vrs")


def without_nan(value: object) -> object:
    """The same structure with None for NaN, which JSON does not know."""
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
