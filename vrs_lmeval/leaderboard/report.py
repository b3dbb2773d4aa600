"""A Comparison -> a table on the terminal, a Markdown page and JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict

from rich.markup import escape
from rich.table import Table

from vrs_lmeval.leaderboard.comparison import Comparison, ModelRow
from vrs_lmeval.leaderboard.pairs import PairTest
from vrs_lmeval.leaderboard.shown_text import escape_markdown
from vrs_lmeval.records import Interval

HEADINGS = {
    "acc": "accuracy",
    "acc_blank": "blank image",
    "acc_shuffled": "another image",
    "vrs": "VRS",
    "vrs_of_ceiling": "of ceiling",
    "vrs_from_unread": "unread part",
    "acc_absent": "no image",
    "acc_guess": "told to guess",
    "image_sensitivity": "image sensitivity",
    "parse_failure_rate": "unparsable",
}
MOST_IMAGES = 1_000_000
"""If more images are needed, the number is not shown: no study has so many."""

WITH_INTERVAL = ("acc", "vrs", "image_sensitivity")


def make_table(comparison: Comparison) -> Table:
    """The comparison for a terminal."""
    table = Table(title=escape(_title(comparison)), title_justify="left")
    table.add_column("model", overflow="fold")
    for name in _metric_names(comparison):
        table.add_column(HEADINGS[name], justify="right", no_wrap=name in WITH_INTERVAL)
    for row in comparison.rows:
        table.add_row(*map(escape, _cells(comparison, row)))
    return table


def make_caption(comparison: Comparison) -> str:
    """What the numbers are, and what a model without eyes could reach."""
    return (
        "VRS = accuracy(real image) - accuracy(another image). Brackets: 95 % intervals, clustered by image. "
        f"{describe_floor(comparison.blind_floor, comparison.rows[0].metrics)}"
    )


def describe_floor(blind_floor: float, metrics: Mapping[str, Interval]) -> str:
    """Both floors with their names: the accuracy that the frequencies of the golds give without an image."""
    by_type = metrics.get("acc_majority")
    said = f"Blind floor by question (most frequent golds, no image): {blind_floor:.3f}"
    return f"{said}." if by_type is None else f"{said}; by answer type alone (acc_majority): {by_type.estimate:.3f}."


def make_markdown(comparison: Comparison) -> str:
    """The comparison as a Markdown page."""
    names = _metric_names(comparison)
    lines = [
        f"# {escape_markdown(_title(comparison))}",
        "",
        make_markdown_row(["model", *(HEADINGS[name] for name in names)]),
        "|---|" + "---:|" * len(names),
        *(make_markdown_row(_cells(comparison, row)) for row in comparison.rows),
        "",
        make_caption(comparison),
        "",
        escape_markdown(make_paragraph(comparison)),
    ]
    return "\n".join(lines) + "\n"


def make_json(comparison: Comparison) -> str:
    """The comparison as JSON; a limit that does not exist is null, with its reason beside it."""
    return json.dumps(without_nan(asdict(comparison)), indent=2) + "\n"


def make_paragraph(comparison: Comparison) -> str:
    """The comparison in a few plain sentences: does each model look, and how do they differ from the first?"""
    return " ".join(f"{sentence}." for sentence in make_conclusions(comparison))


def make_conclusions(comparison: Comparison) -> list[str]:
    """One plain sentence per model, and one per difference, without their full stops."""
    reference = comparison.rows[0].model
    judged = [f"{row.model} {row.verdict}" for row in comparison.rows if row.verdict is not None]
    compared = [
        f"{_compare(row.model, reference, row.against_first)}; "
        f"{describe_test(row.against_first, _has_unread(comparison.rows[0], row))}"
        for row in comparison.rows
        if row.against_first is not None
    ]
    return judged + compared


def _compare(model: str, reference: str, test: PairTest) -> str:
    if test.word is not None:
        return f"{model} relies {test.word} on the image than {reference}"
    return f"{model} and {reference} are not shown to differ in how much they rely on the image"


def _has_unread(*rows: ModelRow) -> bool:
    """Whether refusals and unparsable answers have a part in a VRS."""
    parts = [row.metrics.get("vrs_from_unread") for row in rows]
    return any(part is not None and part.estimate != 0 for part in parts)


def describe_test(test: PairTest, has_unread: bool = False) -> str:
    """The difference of two models' VRS, its p-value, and the difference that the test would have found."""
    what = "VRS of the answers read under both images" if has_unread else "VRS"
    parts = [f"{what} differs by {format_interval(test.difference, signed=True)}"]
    if not math.isnan(test.p_value):
        shown = format_p_value(test.p_value)
        parts.append(f"p {'' if shown.startswith('<') else '= '}{shown} (signs of images flipped)")
    if not math.isnan(test.detectable):
        parts.append(f"80 % power for a difference of {test.detectable:.3f}")
        if test.word is None and test.needed_images < MOST_IMAGES:
            parts.append(f"one of {abs(test.difference.estimate):.3f} needs about {test.needed_images:,.0f} images")
    return ", ".join(parts)


def format_p_value(p_value: float) -> str:
    """The p-value with three decimals; with four if three would show 0.000; never 0."""
    if p_value < 0.0001:
        return "< 0.0001"
    return f"{p_value:.4f}" if p_value < 0.0005 else f"{p_value:.3f}"


def format_interval(interval: Interval, signed: bool = False) -> str:
    """`0.41 [0.32, 0.50]`, or the estimate and why it has no interval."""
    number = "{:+.3f}" if signed else "{:.3f}"
    if math.isnan(interval.low):
        return f"{number.format(interval.estimate)} [no interval: {interval.reason}]"
    return f"{number.format(interval.estimate)} [{number.format(interval.low)}, {number.format(interval.high)}]"


def make_markdown_row(cells: Sequence[str]) -> str:
    """A row of a Markdown table; what a name holds stays text."""
    return f"| {' | '.join(map(escape_markdown, cells))} |"


def _title(comparison: Comparison) -> str:
    return f"{comparison.task}: {comparison.questions} questions on {comparison.images} images"


def _metric_names(comparison: Comparison) -> list[str]:
    return [name for name in HEADINGS if all(name in row.metrics for row in comparison.rows)]


def _cells(comparison: Comparison, row: ModelRow) -> list[str]:
    return [row.model, *(format_cell(name, row.metrics) for name in _metric_names(comparison))]


def format_cell(name: str, metrics: Mapping[str, Interval], with_interval: Collection[str] = WITH_INTERVAL) -> str:
    """The cell of one metric of a model; the share of the ceiling is shown together with the ceiling."""
    interval = metrics[name]
    if name == "vrs_of_ceiling":
        return describe_share(interval, metrics.get("vrs_ceiling"))
    if name in with_interval:
        return format_interval(interval, signed=name == "vrs")
    return f"{interval.estimate:{'+' if name == 'vrs_from_unread' else ''}.3f}"


def describe_share(share: Interval, ceiling: Interval | None) -> str:
    """`74 % of 0.660`; empty if the ceiling is 0."""
    if ceiling is None or math.isnan(share.estimate) or ceiling.estimate <= 0:
        return "none"
    return f"{100 * share.estimate:.0f} % of {ceiling.estimate:.3f}"


def without_nan(value: object) -> object:
    """The same structure with None for NaN, which JSON does not know."""
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
