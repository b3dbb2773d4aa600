"""A leaderboard's numbers -> its charts of curves: accuracy by severity, and accuracy by confidence."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from vrs_lmeval.leaderboard.board import Standing, TaskBoard
from vrs_lmeval.leaderboard.reliability import Bin
from vrs_lmeval.metrics.calibration import VARIANTS
from vrs_lmeval.page.axes import Axis
from vrs_lmeval.page.chart_parts import Chart, Key, Line, Mark, Panel, describe_interval, find_ends
from vrs_lmeval.records import Interval
from vrs_lmeval.variants.severities import find_graded

COLOURS, DASHES = 6, 4
"""How many colours of curves and ways to interrupt a line `page.css` has."""

SYMBOLS = ("circle", "square", "diamond", "triangle", "cross")

SEVERITY_HEIGHT, RELIABILITY_HEIGHT = 200, 280
"""Pixels; panels of reliability are nearly square on a desktop."""

SHARES = Axis(0.0, 1.0, 0.25, "accuracy")
CONFIDENCES = Axis(0.0, 1.0, 0.25, "confidence")
SMALLEST_MARK = 0.45


def find_style(index: int) -> tuple[str, str, int]:
    """Colour, symbol and dash of the model at this place: 30 models differ in colour or symbol."""
    return f"curve{index % COLOURS}", SYMBOLS[index % len(SYMBOLS)], index // COLOURS % DASHES


def draw_severity(board: TaskBoard, numbers: Mapping[str, int], most: int) -> Chart | None:
    """Accuracy against severity, a panel per perturbation and a line for each of the first `most` models.

    None if the board has no graded variants.
    """
    standings = board.standings[:most]
    curves = [_find_curves(standing, board.variant_names) for standing in standings]
    kinds = sorted({kind for of_model in curves for kind in of_model})
    if not kinds:
        return None
    strongest = max(severity for of_model in curves for points in of_model.values() for severity in points)
    axis = Axis(0.0, float(strongest), 1.0, "severity")
    panels = []
    for kind in kinds:
        lines, marks = [], []
        for index, (standing, of_model) in enumerate(zip(standings, curves, strict=True)):
            models, (colour, symbol, dash) = (numbers[standing.label],), find_style(index)
            points = [(float(severity), value) for severity, value in of_model.get(kind, {}).items()]
            lines.append(Line(tuple((x, value.estimate) for x, value in points), colour, dash, models))
            for x, value in points:
                shown = f"{kind.replace('_', ' ')} {x:.0f}" if x else "the real image"
                says = f"{standing.label}: accuracy under {shown} {describe_interval(value)}"
                marks.append(Mark(x, value.estimate, says, colour, symbol, models, size=0.75))
        panels.append(
            Panel(axis, SHARES, SEVERITY_HEIGHT, kind.replace("_", " "), marks=tuple(marks), lines=tuple(lines))
        )
    keys = [Key(s.label, *find_style(index), models=(numbers[s.label],)) for index, s in enumerate(standings)]
    return Chart(tuple(panels), tuple(keys))


def _find_curves(standing: Standing, variants: Sequence[str]) -> dict[str, dict[int, Interval]]:
    """By kind of perturbation the accuracy at each severity; severity 0 is the real image."""
    curves: dict[str, dict[int, Interval]] = {}
    for variant in variants:
        graded = find_graded(variant)
        if graded is None or len(graded[0].severities) == 1:  # rotated_2 turns the options, rotate_90 the image
            continue
        accuracy = standing.metrics.get(f"acc_{variant}")
        if accuracy is not None and not math.isnan(accuracy.estimate):
            kind, _, severity = variant.rpartition("_")
            curves.setdefault(kind, {0: standing.metrics["acc"]})[int(severity)] = accuracy
    return {kind: dict(sorted(points.items())) for kind, points in curves.items()}


def draw_reliability(
    models: Sequence[tuple[str, Mapping[str, Sequence[Bin]]]], numbers: Mapping[str, int]
) -> Chart | None:
    """Accuracy against confidence, a panel per model and a line per variant; on the diagonal a model is calibrated.

    `models`: label, and the bins of each variant. A mark's area grows with its questions. None if no model has bins.
    """
    drawn = [(label, bins) for label, bins in models if bins]
    if not drawn:
        return None
    diagonal = Line(((0.0, 0.0), (1.0, 1.0)), "rule", 2)
    panels = []
    for label, bins in drawn:
        shown = [(index, variant) for index, variant in enumerate(VARIANTS) if variant in bins]
        lines = [Line(tuple((b.confidence, b.accuracy.estimate) for b in bins[v]), f"curve{i}") for i, v in shown]
        marks = [mark for index, variant in shown for mark in _mark_bins(label, bins[variant], variant, index)]
        panels.append(
            Panel(
                CONFIDENCES,
                SHARES,
                RELIABILITY_HEIGHT,
                label,
                marks=tuple(marks),
                lines=(diagonal, *lines),
                models=(numbers[label],),
            )
        )
    seen = [(i, variant) for i, variant in enumerate(VARIANTS) if any(variant in bins for _, bins in drawn)]
    return Chart(tuple(panels), tuple(Key(variant, f"curve{i}", SYMBOLS[i], 0) for i, variant in seen))


def _mark_bins(label: str, bins: Sequence[Bin], variant: str, index: int) -> list[Mark]:
    most = max(each.accuracy.n for each in bins)
    return [
        Mark(
            x=each.confidence,
            y=each.accuracy.estimate,
            says=f"{label}, {variant}: confidence {each.confidence:.3f}, accuracy {describe_interval(each.accuracy)}",
            colour=f"curve{index}",
            symbol=SYMBOLS[index],
            y_ends=find_ends(each.accuracy),
            size=max(SMALLEST_MARK, math.sqrt(each.accuracy.n / most)),
        )
        for each in bins
    ]
