"""Runs of one task on the same questions -> every metric that they logged, with its analytic and bootstrap interval."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from vrs_lmeval.aggregation import find_independent_rate, find_mean, find_ratio, find_spread
from vrs_lmeval.intervals import Floats
from vrs_lmeval.leaderboard.results import Run
from vrs_lmeval.registry import METRICS
from vrs_lmeval.sets import SetMember, find_confusion, find_set_accuracy, measure_right_sets, measure_same_sets
from vrs_lmeval.sum_statistics import (
    RATE_TIMES_COMPLEMENT,
    RATIO,
    RESAMPLES,
    SPREAD,
    Form,
    Intervals,
    Statistic,
    find_both_intervals,
)

_LIMITS = frozenset({"vrs_ci95_low", "vrs_ci95_high"})
"""Logged beside the metrics, but they are the limits of one."""


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
        for name in _list_metrics(rows[0]):
            if name not in of_sets[index]:
                statistics.append(_make_statistic(name, [row.get(name) for row in rows]))
                places.append((index, name))
    found: list[dict[str, Intervals]] = [{} for _ in runs]
    both = find_both_intervals(statistics, images, key=key, resamples=resamples)
    for (index, name), intervals in zip(places, both, strict=True):
        found[index][name] = intervals
    return [{**means, **sets} for means, sets in zip(found, of_sets, strict=True)]


def _list_metrics(values: Mapping[str, Any]) -> list[str]:
    return [name for name in values if name not in _LIMITS]


def _make_statistic(name: str, values: Sequence[Any]) -> Statistic:
    """A name that the registry does not know (`acc_jpeg_3`, `vrs_modality_mri`) is a mean."""
    aggregate = METRICS[name].aggregate if name in METRICS else find_mean
    form, width, spread_out = _FORMS[aggregate]
    applies = np.array([value is not None for value in values], dtype=bool)
    given = [spread_out(value) for value in values if value is not None]
    summands = np.zeros((len(values), len(given[0]) if given else width))
    summands[applies] = given if given else np.empty((0, width))
    return Statistic(form, summands, applies)


def _claim_and_change(value: Sequence[Any]) -> list[float]:
    claim, change, _ = value
    return [claim, 1.0, *((0.0, 0.0) if change is None else (change, 1.0))]


_FORMS: Mapping[Callable[..., float], tuple[Form, int, Callable[[Any], list[float]]]] = {
    find_mean: (RATIO, 2, lambda value: [value, 1.0]),
    find_ratio: (RATIO, 2, lambda value: [value[0], value[1]]),
    find_independent_rate: (RATE_TIMES_COMPLEMENT, 4, _claim_and_change),
    find_spread: (SPREAD, 3, lambda value: [*value, 1.0]),
}
"""How a metric is aggregated -> as what function of sums, of how many, and one question's summands."""

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
            members = [None if row.get(name) is None else SetMember(*row[name]) for row in rows]
            values, clusters = measure(members)
            summands: Floats = np.column_stack([values, np.ones(len(values))])
            statistic = Statistic(RATIO, summands, np.ones(len(values), dtype=bool))
            (found[name],) = find_both_intervals([statistic], clusters, key=key, resamples=resamples)
    return found
