"""Runs of one task on the same questions -> every metric that they logged, with its analytic and bootstrap interval."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from vrs_lmeval.leaderboard.logged_values import LIMITS, Reading, find_reading, read_set_member
from vrs_lmeval.leaderboard.runs import Run
from vrs_lmeval.metrics.catalogue import METRICS
from vrs_lmeval.metrics.question_sets import find_confusion, find_set_accuracy, measure_right_sets, measure_same_sets
from vrs_lmeval.uncertainty.intervals import Floats
from vrs_lmeval.uncertainty.sum_statistics import RATIO, RESAMPLES, Intervals, Statistic, find_both_intervals


def find_metric_intervals(runs: Sequence[Run], *, key: str, resamples: int = RESAMPLES) -> list[dict[str, Intervals]]:
    """By metric, in the order logged, for each run; all runs have the same questions, paired by sample id.

    All bootstraps share their draws of images, by `key`.
    """
    order = [sample.sample_id for sample in runs[0].samples]
    images = [sample.image_id for sample in runs[0].samples]
    statistics: list[Statistic] = []
    places: list[tuple[int, str]] = []
    of_sets: list[dict[str, Intervals]] = []
    for index, run in enumerate(runs):
        by_id = {sample.sample_id: sample.values for sample in run.samples}
        rows = [by_id[sample_id] for sample_id in order]
        of_sets.append(_find_set_intervals(rows, f"{key}/sets", resamples))
        for name in rows[0]:
            reading = find_reading(name)
            if reading is not None and name not in LIMITS:
                statistics.append(_make_statistic(reading, [row.get(name) for row in rows]))
                places.append((index, name))
    found: list[dict[str, Intervals]] = [{} for _ in runs]
    both = find_both_intervals(statistics, images, key=key, resamples=resamples)
    for (index, name), intervals in zip(places, both, strict=True):
        found[index][name] = intervals
    return [{**means, **sets} for means, sets in zip(found, of_sets, strict=True)]


def _make_statistic(reading: Reading, values: Sequence[Any]) -> Statistic:
    applies = np.array([value is not None for value in values], dtype=bool)
    given = [reading.read(value) for value in values if value is not None]
    summands = np.zeros((len(values), len(given[0]) if given else reading.width or 2))
    if given:
        summands[applies] = given
    return Statistic(reading.form, summands, applies)


_SET_MEASURES: Mapping[Callable[..., float], Callable[..., tuple[list[float], list[str]]]] = {
    find_set_accuracy: measure_right_sets,
    find_confusion: measure_same_sets,
}


def _find_set_intervals(rows: Sequence[Mapping[str, Any]], key: str, resamples: int) -> dict[str, Intervals]:
    """Of metrics whose unit is a set of questions; they have clusters of their own, images that sets link."""
    found = {}
    for name in rows[0]:
        measure = _SET_MEASURES.get(METRICS[name].aggregate) if name in METRICS else None
        if measure is not None:
            members = [None if row.get(name) is None else read_set_member(row[name]) for row in rows]
            values, clusters = measure(members)
            summands: Floats = np.column_stack([values, np.ones(len(values))])
            statistic = Statistic(RATIO, summands, np.ones(len(values), dtype=bool))
            (found[name],) = find_both_intervals([statistic], clusters, key=key, resamples=resamples)
    return found
