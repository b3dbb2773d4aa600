"""A leaderboard's numbers -> its charts of one point a model: VRS, accuracy, reliance on the text, training data."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from vrs_lmeval.leaderboard.board import Standing, TaskBoard
from vrs_lmeval.leaderboard.groups import GroupContrast
from vrs_lmeval.leaderboard.modality_reliance import ModalityReliance
from vrs_lmeval.page.axes import Axis, choose_axis
from vrs_lmeval.page.chart_parts import Chart, Forest, ForestRow, Key, Mark, Panel, Rule, describe_interval, find_ends
from vrs_lmeval.page.curves import find_style
from vrs_lmeval.page.labels import place_labels
from vrs_lmeval.records import Interval

Numbers = Mapping[str, int]
"""The number of each model on the page, by its label."""

SYMBOL_OF_TRAINING = {
    "synthetic": "diamond",
    "authentic": "circle",
    "mixed": "square",
    "text-only": "triangle",
    None: "cross",
}
NOT_GIVEN = "training data not given"

SCATTER_HEIGHT = 380
"""Pixels: a phone shows all of the plot."""

ACCURACIES = Axis(0.0, 1.0, 0.2, "accuracy with the image")

GROUPS, MATCHED, PAIRS = "groups", "same bases, together", "pairs of one base"
CONTRAST_STYLES = {GROUPS: ("ink", "square"), MATCHED: ("synthetic", "diamond"), PAIRS: ("authentic", "circle")}
"""Colour and symbol of each kind of row."""


def draw_vrs(board: TaskBoard, numbers: Numbers) -> Forest:
    """VRS of every model with its interval, in the board's order."""
    rows = []
    for standing in board.standings:
        vrs = standing.metrics["vrs"]
        mark = Mark(
            x=vrs.estimate,
            y=0.5,
            says=f"{standing.label}: VRS {describe_interval(vrs, signed=True)}",
            colour=name_colour(standing.card.training),
            symbol=SYMBOL_OF_TRAINING[standing.card.training],
            models=(numbers[standing.label],),
            x_ends=find_ends(vrs),
        )
        rows.append(ForestRow(standing.label, mark))
    return _make_forest(rows, "VRS", list_training_keys(board.standings, numbers))


def draw_accuracy(board: TaskBoard, numbers: Numbers) -> Chart:
    """VRS against accuracy: models whose right answers come from the image lie high. Overlapping names are left out."""
    points = [(s.metrics["acc"].estimate, s.metrics["vrs"].estimate) for s in board.standings]
    upright = choose_axis([0.0, *(y for _, y in points)], "VRS")
    places = [(ACCURACIES.find_share(x), upright.find_share(y)) for x, y in points]
    labels = place_labels(places, [standing.label for standing in board.standings], SCATTER_HEIGHT)
    marks = [
        Mark(
            x=x,
            y=y,
            says=f"{standing.label}: accuracy {describe_interval(standing.metrics['acc'])}; "
            f"VRS {describe_interval(standing.metrics['vrs'], signed=True)}",
            colour=name_colour(standing.card.training),
            symbol=SYMBOL_OF_TRAINING[standing.card.training],
            models=(numbers[standing.label],),
            labels=shown,
        )
        for standing, (x, y), shown in zip(board.standings, points, labels, strict=True)
    ]
    rules = (Rule("y", 0.0), Rule("x", board.blind_floor, "blind floor by question"))
    panel = Panel(ACCURACIES, upright, SCATTER_HEIGHT, marks=tuple(marks), rules=rules)
    return Chart((panel,), list_training_keys(board.standings, numbers))


def draw_modalities(
    models: Sequence[tuple[str, ModalityReliance]], floors: Sequence[tuple[str, Interval]], numbers: Numbers
) -> Chart | None:
    """Reliance on the text against reliance on the image, a point a model; models without eyes stand where VRS is 0.

    None if no model was asked another image's question.
    """
    if not models:
        return None
    marks, keys = [], []
    for index, (label, reliance) in enumerate(models):
        colour, symbol, _ = find_style(index)
        marks.append(
            Mark(
                x=reliance.image.estimate,
                y=reliance.text.estimate,
                says=f"{label}: image {describe_interval(reliance.image, signed=True)}; "
                f"text {describe_interval(reliance.text, signed=True)}",
                colour=colour,
                symbol=symbol,
                models=(numbers[label],),
                x_ends=find_ends(reliance.image),
                y_ends=find_ends(reliance.text),
            )
        )
        keys.append(Key(label, colour, symbol, models=(numbers[label],)))
    for label, text in floors:
        name = f"{label} (no image)"
        says = f"{name}: text {describe_interval(text, signed=True)}"
        marks.append(Mark(0.0, text.estimate, says, "unknown", "cross", y_ends=find_ends(text)))
        keys.append(Key(name, "unknown", "cross"))
    level = choose_axis([0.0, *_list_ends((m.x, m.x_ends) for m in marks)], "reliance on the image (VRS)")
    upright = choose_axis([0.0, *_list_ends((m.y, m.y_ends) for m in marks)], "reliance on the text")
    rules = (Rule("x", 0.0), Rule("y", 0.0))
    return Chart((Panel(level, upright, SCATTER_HEIGHT, marks=tuple(marks), rules=rules),), tuple(keys))


def draw_contrasts(contrasts: Sequence[GroupContrast], numbers: Numbers) -> Forest:
    """Forest plot: synthetic minus authentic per task and overall, within base models, and each pair of one base."""
    rows = []
    for contrast in contrasts:
        rows.append(_make_contrast_row(contrast.task, contrast.difference, GROUPS))
        if contrast.matched is not None:
            rows.append(_make_contrast_row("same base, together", contrast.matched, MATCHED))
        for pair in contrast.pairs:
            models = (numbers[pair.first], numbers[pair.second])
            rows.append(_make_contrast_row(f"{pair.first} \u2212 {pair.second}", pair.difference, PAIRS, models))
    kinds = (GROUPS, *([MATCHED] if any(each.matched for each in contrasts) else []))
    kinds += (PAIRS,) if any(each.pairs for each in contrasts) else ()
    keys = tuple(Key(kind, *CONTRAST_STYLES[kind]) for kind in kinds)
    return _make_forest(rows, "VRS, synthetic \u2212 authentic", keys)


def _make_contrast_row(name: str, difference: Interval, kind: str, models: tuple[int, ...] = ()) -> ForestRow:
    colour, symbol = CONTRAST_STYLES[kind]
    says = f"{name}: {describe_interval(difference, signed=True)}"
    mark = Mark(difference.estimate, 0.5, says, colour, symbol, models, x_ends=find_ends(difference))
    return ForestRow(name, mark, is_strong=kind == GROUPS)


def _make_forest(rows: Sequence[ForestRow], title: str, keys: tuple[Key, ...]) -> Forest:
    return Forest(choose_axis([0.0, *_list_ends((r.mark.x, r.mark.x_ends) for r in rows)], title), tuple(rows), keys)


def _list_ends(places: Iterable[tuple[float, tuple[float, float] | None]]) -> list[float]:
    return [value for estimate, ends in places for value in (estimate, *(ends or ())) if not math.isnan(value)]


def name_colour(training: str | None) -> str:
    """The class of `page.css` for a kind of training data."""
    return training or "unknown"


def list_training_keys(standings: Sequence[Standing], numbers: Numbers) -> tuple[Key, ...]:
    """The legend of those kinds of training data that the models have."""
    keys = []
    for training, symbol in SYMBOL_OF_TRAINING.items():
        models = tuple(numbers[s.label] for s in standings if s.card.training == training)
        if models:
            keys.append(Key(training or NOT_GIVEN, name_colour(training), symbol, models=models))
    return tuple(keys)
