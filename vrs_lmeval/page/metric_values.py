"""A TaskBoard -> every metric of every model as JSON for the page, which shows the one that a reader chooses."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from vrs_lmeval.leaderboard.board import TaskBoard
from vrs_lmeval.metrics.catalogue import METRICS
from vrs_lmeval.records import Interval

DIGITS = 3
"""As many as the page shows: rounded twice, a value might differ from that in its tables."""


def find_slices(board: TaskBoard) -> list[tuple[str, str]]:
    """Every (field, value) for which a model of the board has an interval."""
    return sorted({key for standing in board.standings for key in standing.slices})


def list_metrics(board: TaskBoard, numbers: Mapping[str, int]) -> dict[str, Any]:
    """Every metric of every model, and VRS of every kind of question.

    A value is a list: estimate, both limits by formula, both by bootstrap, questions, images, place of the reason in
    `reasons` (-1: none); null where the model has no such metric. `models` are numbers of the page's models.
    """
    reasons: dict[str, int] = {}
    names = dict.fromkeys(name for standing in board.standings for name in standing.metrics)
    metrics = [
        {
            "name": name,
            "formula": METRICS[name].formula if name in METRICS else "",
            "values": [_list_value(s.metrics.get(name), s.bootstraps.get(name), reasons) for s in board.standings],
        }
        for name in names
    ]
    slices = [
        {
            "name": f"vrs, {key[0].replace('_', ' ')} {key[1]}",
            "formula": "vrs over these questions",
            "values": [_list_value(s.slices.get(key), None, reasons) for s in board.standings],
        }
        for key in find_slices(board)
    ]
    return {
        "models": [numbers[standing.label] for standing in board.standings],
        "metrics": [*metrics, *slices],
        "reasons": list(reasons),
    }


def _list_value(
    analytic: Interval | None, bootstrap: Interval | None, reasons: dict[str, int]
) -> list[float | None] | None:
    if analytic is None:
        return None
    reason = analytic.reason or (bootstrap.reason if bootstrap else None)
    place = -1 if reason is None else reasons.setdefault(reason, len(reasons))
    limits = [analytic.low, analytic.high, *((bootstrap.low, bootstrap.high) if bootstrap else (math.nan, math.nan))]
    numbers = [None if math.isnan(each) else round(each, DIGITS) for each in (analytic.estimate, *limits)]
    return [*numbers, analytic.n, analytic.clusters, place]
