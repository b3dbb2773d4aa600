"""Intervals: takes per-question values and the cluster (image) of each, gives values, errors and 95 % intervals.

- Analytic (`estimates.py`, `limits.py`): the tables show this one. It needs no random numbers, and with few images it
  covers better than the bootstrap; `bench/bench_intervals.py` simulates how often.
- Bootstrap: percentiles over resampled clusters. Its random numbers come from a key, so that the same question gives
  the same interval in any process; all metrics of all models share the draws.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vrs_lmeval.records import Interval
from vrs_lmeval.uncertainty.clusters import Clusters, Floats, Values, draw_cluster_weights, number_clusters
from vrs_lmeval.uncertainty.estimates import (
    ALL_EQUAL,
    CLUSTERS_ALIKE,
    NAN,
    Estimate,
    Quantity,
    estimate,
    estimate_value,
    find_partners_of,
    sum_by_cluster,
    sum_up,
)
from vrs_lmeval.uncertainty.forms import MEAN, Form, Units, gather
from vrs_lmeval.uncertainty.limits import (
    EXACT_METHOD,
    T_METHOD,
    UNBOUNDED,
    Bounds,
    find_exact_limits,
    find_lifted_limits,
    find_limits,
)

BOOTSTRAP_METHOD = "clustered percentile bootstrap"

ALL_ALIKE = "no cluster differs: resamples cannot either"
TOO_OFTEN_EMPTY = "too few clusters have values: many resamples have none"

RESAMPLES = 10_000

MOST_EMPTY = 0.05
"""With a larger share of resamples without a value (too few images have one), there is no bootstrap interval."""

_QUANTITIES_AT_ONCE = 1000
"""Quantities that are bootstrapped together: with 10,000 resamples of each they take 80 MB."""

Place = tuple[Any, str] | tuple[Any, str, str | None]
"""One question's value and its image; and its partner's image, if it was also asked with another image."""


@dataclass(frozen=True, slots=True)
class Intervals:
    """The same estimate with its analytic and with its bootstrap interval."""

    analytic: Interval
    bootstrap: Interval


def find_value(form: Form, values: Sequence[Any]) -> float:
    """The metric's number from one value a question (None if it does not apply); NaN if it applies to none."""
    return estimate_value(form, gather(form, values, range(len(values))))


def find_error(form: Form, places: Sequence[Place]) -> float:
    """The metric's standard error from values with their images; NaN with fewer than two images, or if all are
    equal."""
    return estimate(*sum_up(_split(form, places, UNBOUNDED))).error


def find_interval(form: Form, places: Sequence[Place], bounds: Bounds, level: float = 0.95) -> Interval:
    """The metric's analytic interval within `bounds`, from values with their images; the table shows it."""
    return _find_analytic(estimate(*sum_up(_split(form, places, bounds))), bounds, level)


def find_t_interval(values: Values, clusters: Clusters, level: float = 0.95, bounds: Bounds = UNBOUNDED) -> Interval:
    """Mean of `values` (n,) with its analytic interval; `clusters` (n,) names each value's cluster.

    Without `bounds` the limits are NaN with a reason if no cluster differs. Raises ValueError for a value that is not
    a finite number.
    """
    return _find_analytic(estimate(*sum_up(_take_mean(values, clusters))), bounds, level)


def find_standard_error(values: Values, clusters: Clusters) -> float:
    """Cluster-robust standard error of the mean of `values` (n,); NaN as in `find_error`."""
    return estimate(*sum_up(_take_mean(values, clusters))).error


def find_bootstrap_interval(
    values: Values, clusters: Clusters, *, key: str, resamples: int = RESAMPLES, level: float = 0.95
) -> Interval:
    """Mean of `values` (n,) with the percentile interval of its clustered bootstrap.

    `key` names the random stream, e.g. "vrs/<task>/<model>". The result depends on the key and on the values of each
    cluster, not on their order. Limits are NaN with a reason as in `find_t_interval`.
    """
    quantity = _take_mean(values, clusters)
    return find_both_intervals([quantity], clusters, key=key, resamples=resamples, level=level)[0].bootstrap


def find_both_intervals(
    quantities: Sequence[Quantity], clusters: Clusters, *, key: str, resamples: int = RESAMPLES, level: float = 0.95
) -> list[Intervals]:
    """Both intervals of each quantity, in their order; all quantities have the same units with `clusters` (n,). `key`
    decides the draws of the bootstrap."""
    codes, total = number_clusters(clusters, len(clusters))
    found: list[Intervals] = []
    for start in range(0, len(quantities), _QUANTITIES_AT_ONCE):
        chunk = quantities[start : start + _QUANTITIES_AT_ONCE]
        sums = [sum_by_cluster(quantity.units.summands, codes, total) for quantity in chunk]
        limits = _bootstrap(chunk, sums, key, resamples, level)
        for quantity, of_cluster, (low, high, empty) in zip(chunk, sums, limits, strict=True):
            found_estimate = estimate(quantity, of_cluster, find_partners_of(quantity.units, codes))
            analytic = _find_analytic(found_estimate, quantity.bounds, level)
            found.append(Intervals(analytic, _describe_bootstrap(quantity.form, analytic, low, high, empty)))
    return found


def _split(form: Form, places: Sequence[Place], bounds: Bounds) -> Quantity:
    partners = [place[2] if len(place) > 2 else None for place in places]
    units = gather(form, [place[0] for place in places], [place[1] for place in places], partners)
    return Quantity(form, units, bounds)


def _take_mean(values: Values, clusters: Clusters) -> Quantity:
    data = np.asarray(values, dtype=np.float64)
    if data.ndim != 1:
        raise ValueError(f"values should be one number a question, their shape is {data.shape}")
    if not np.isfinite(data).all():
        raise ValueError("values should be finite: leave out the questions to which the metric does not apply")
    summands = np.column_stack([data, np.ones(len(data))])
    return Quantity(MEAN, Units(summands, np.ones(len(data), dtype=bool), clusters))


def _find_analytic(found: Estimate, bounds: Bounds, level: float) -> Interval:
    method, reason = T_METHOD, found.reason
    low, high = NAN, NAN
    if reason is None and found.lift is not None:
        low, high, method = find_lifted_limits(found.value, found.lift, found.spread, found.freedom, bounds, level)
    elif reason is None:
        low, high, method = find_limits(found.value, found.spread, found.freedom, bounds, level)
    elif reason in (ALL_EQUAL, CLUSTERS_ALIKE) and all(map(math.isfinite, bounds)):
        low, high = find_exact_limits(found.value, found.clusters, bounds)
        method, reason = EXACT_METHOD, None
    return Interval(found.value, low, high, method, found.units, found.clusters, level, reason)


def _bootstrap(
    quantities: Sequence[Quantity], sums: Sequence[Floats], key: str, resamples: int, level: float
) -> list[tuple[float, float, float]]:
    """(low, high, share of resamples without a value) of each quantity."""
    ends = np.cumsum([of_cluster.shape[1] for of_cluster in sums])[:-1]
    joined = np.hstack(sums)
    values = np.empty((len(quantities), resamples))
    if len(joined):
        with np.errstate(divide="ignore", invalid="ignore"):
            for rows, weights in draw_cluster_weights(len(joined), key, resamples):
                for index, drawn in enumerate(np.split(weights @ joined, ends, axis=1)):
                    values[index, rows] = quantities[index].form.combine(drawn)
    values[~np.isfinite(values)] = np.nan
    empty = np.isnan(values).mean(axis=1)
    return [(*_find_percentiles(row, share, level), share) for row, share in zip(values, empty.tolist(), strict=True)]


def _find_percentiles(values: Floats, empty: float, level: float) -> tuple[float, float]:
    if empty > MOST_EMPTY:
        return NAN, NAN
    low, high = np.quantile(values[~np.isnan(values)] if empty else values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _describe_bootstrap(form: Form, analytic: Interval, low: float, high: float, empty: float) -> Interval:
    reason = ALL_ALIKE if analytic.method == EXACT_METHOD else analytic.reason
    reason = form.why_no_bootstrap or reason
    if reason is not None:
        low = high = NAN
    elif empty > MOST_EMPTY:
        reason = TOO_OFTEN_EMPTY
    return Interval(
        analytic.estimate, low, high, BOOTSTRAP_METHOD, analytic.n, analytic.clusters, analytic.level, reason
    )
