"""Intervals: takes per-question values and the cluster (image) of each, gives values, errors and 95 % intervals.

Questions about one image share its difficulty, so the image, not the question, is the independent unit (Miller 2024,
"Adding Error Bars to Evals", arXiv 2411.00640, on clustered standard errors and paired differences). With g the
gradient of a form at the total sums, a cluster's residual is g . (its sums), and two routes lead to an interval:

- analytic: s^2 = G/(G-1) * sum over clusters of residual^2 (the delta method, clustered; for a mean the finite-sample
  factor of Cameron and Miller 2015, "A Practitioner's Guide to Cluster-Robust Inference", J. Human Resources 50(2):
  317-372), with a t quantile of G - 1 degrees of freedom.
- bootstrap: percentiles over resampled clusters. Its random numbers come from a key, so that the same question gives
  the same interval in any process; all metrics of all models share the draws.

Degenerate input gives NaN limits with a reason, never a limit of 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from vrs_lmeval.records import Interval
from vrs_lmeval.uncertainty.clusters import Clusters, Floats, Values, draw_cluster_weights, number_clusters
from vrs_lmeval.uncertainty.forms import MEAN, Form, Units, gather

T_METHOD = "clustered t"
BOOTSTRAP_METHOD = "clustered percentile bootstrap"

NO_VALUES = "no values"
ONE_CLUSTER = "one cluster: no spread between clusters can be seen"
ALL_EQUAL = "all values are equal: no spread to estimate from"
CLUSTERS_ALIKE = "all clusters have the same mean: no spread between them to estimate from"
NOTHING_TO_DIVIDE_BY = "its denominator is 0"
TOO_OFTEN_EMPTY = "too few clusters have values: many resamples have none"

NO_SPREAD = 1e-12
"""A standard error below this is rounding: the values are shares, their differences or logarithms."""

RESAMPLES = 10_000

MOST_EMPTY = 0.05
"""Above this share of resamples without a value (too few images have one) there is no bootstrap interval."""

_QUANTITIES_AT_ONCE = 1000
"""Bootstrapped together: 80 MB of 10,000 resamples each."""

NAN = float("nan")


@dataclass(frozen=True, slots=True)
class Quantity:
    """One metric of one model: its form, and what its sums are made of."""

    form: Form
    units: Units


@dataclass(frozen=True, slots=True)
class Intervals:
    """The same estimate with its analytic and with its bootstrap interval."""

    analytic: Interval
    bootstrap: Interval


def find_value(form: Form, values: Sequence[Any]) -> float:
    """The metric's number from one value a question, None where it does not apply; NaN where none does."""
    return _find_value(form, gather(form, values, range(len(values))))


def find_error(form: Form, pairs: Sequence[tuple[Any, str]]) -> float:
    """Its standard error from (value, image id) pairs, clustered by image; NaN with fewer than two images."""
    return _estimate(*_sum(_split(form, pairs))).error


def find_interval(form: Form, pairs: Sequence[tuple[Any, str]], level: float = 0.95) -> Interval:
    """Its analytic interval, from the same pairs: the one the table shows."""
    return _find_analytic(_estimate(*_sum(_split(form, pairs))), level)


def find_t_interval(values: Values, clusters: Clusters, level: float = 0.95) -> Interval:
    """Mean of `values` (n,) with its analytic interval; `clusters` (n,) names each value's cluster.

    NaN limits with a reason: no values, one cluster, all values or clusters alike. Raises ValueError for a value that
    is no finite number.
    """
    return _find_analytic(_estimate(*_sum(_take_mean(values, clusters))), level)


def find_standard_error(values: Values, clusters: Clusters) -> float:
    """Cluster-robust standard error of the mean of `values` (n,); NaN with fewer than two clusters."""
    return _estimate(*_sum(_take_mean(values, clusters))).error


def find_bootstrap_interval(
    values: Values, clusters: Clusters, *, key: str, resamples: int = RESAMPLES, level: float = 0.95
) -> Interval:
    """Mean of `values` (n,) with the percentile interval of its clustered bootstrap.

    `key` names the random stream, e.g. "vrs/<task>/<model>"; the result depends on it and on the values by cluster,
    not on their order. NaN limits with a reason as in `find_t_interval`.
    """
    quantity = _take_mean(values, clusters)
    return find_both_intervals([quantity], clusters, key=key, resamples=resamples, level=level)[0].bootstrap


def find_both_intervals(
    quantities: Sequence[Quantity], clusters: Clusters, *, key: str, resamples: int = RESAMPLES, level: float = 0.95
) -> list[Intervals]:
    """Of each quantity, all on the same units with `clusters` (n,), in their order; the bootstrap is drawn by `key`."""
    codes, total = number_clusters(clusters, len(clusters))
    found: list[Intervals] = []
    for start in range(0, len(quantities), _QUANTITIES_AT_ONCE):
        chunk = quantities[start : start + _QUANTITIES_AT_ONCE]
        sums = [_sum_by_cluster(quantity.units.summands, codes, total) for quantity in chunk]
        limits = _bootstrap(chunk, sums, key, resamples, level)
        for quantity, of_cluster, (low, high, empty) in zip(chunk, sums, limits, strict=True):
            analytic = _find_analytic(_estimate(quantity, of_cluster, codes), level)
            found.append(Intervals(analytic, _describe_bootstrap(analytic, low, high, empty)))
    return found


@dataclass(frozen=True, slots=True)
class _Estimate:
    value: float
    error: float
    units: int
    clusters: int
    reason: str | None  # why there is no interval


def _split(form: Form, pairs: Sequence[tuple[Any, str]]) -> Quantity:
    return Quantity(form, gather(form, [value for value, _ in pairs], [image for _, image in pairs]))


def _take_mean(values: Values, clusters: Clusters) -> Quantity:
    data = np.asarray(values, dtype=np.float64)
    if data.ndim != 1:
        raise ValueError(f"values should be one number a question, their shape is {data.shape}")
    if not np.isfinite(data).all():
        raise ValueError("values should be finite: leave out the questions to which the metric does not apply")
    summands = np.column_stack([data, np.ones(len(data))])
    return Quantity(MEAN, Units(summands, np.ones(len(data), dtype=bool), clusters))


def _sum(quantity: Quantity) -> tuple[Quantity, Floats, npt.NDArray[np.int64]]:
    codes, total = number_clusters(quantity.units.clusters, len(quantity.units.summands))
    return quantity, _sum_by_cluster(quantity.units.summands, codes, total), codes


def _sum_by_cluster(summands: Floats, codes: npt.NDArray[np.int64], total: int) -> Floats:
    """(G, k)."""
    columns = [np.bincount(codes, weights=column, minlength=total) for column in summands.T]
    return np.stack(columns, axis=1).astype(np.float64)


def _find_value(form: Form, units: Units) -> float:
    if not units.applies.any():
        return NAN
    with np.errstate(divide="ignore", invalid="ignore"):
        value = float(form.combine(units.summands.sum(axis=0)))
    return value if np.isfinite(value) else NAN


def _estimate(quantity: Quantity, sums: Floats, codes: npt.NDArray[np.int64]) -> _Estimate:
    """From the sums (G, k) of the clusters, which `codes` (n,) name; those it does not apply to do not count."""
    form, units = quantity.form, quantity.units
    clusters = len(np.unique(codes[units.applies]))
    value, error = _find_value(form, units), NAN
    if not np.isnan(value) and clusters > 1:
        with np.errstate(divide="ignore", invalid="ignore"):
            residuals = sums @ form.differentiate(sums.sum(axis=0))
        error = float(np.sqrt(clusters / (clusters - 1) * np.square(residuals).sum()))
    reason = _why_degenerate(units, clusters, value, error)
    return _Estimate(value, error, int(units.applies.sum()), clusters, reason)


def _why_degenerate(units: Units, clusters: int, value: float, error: float) -> str | None:
    if not units.applies.any():
        return NO_VALUES
    if np.isnan(value):
        return NOTHING_TO_DIVIDE_BY
    if clusters < 2:
        return ONE_CLUSTER
    if not error > NO_SPREAD:  # the gradient of a spread of 0 is NaN
        applying = units.summands[units.applies]
        return ALL_EQUAL if (applying == applying[0]).all() else CLUSTERS_ALIKE
    return None


def _find_analytic(found: _Estimate, level: float) -> Interval:
    half = NAN
    if found.reason is None:
        half = float(stats.t.ppf((1 + level) / 2, found.clusters - 1)) * found.error
    low, high = found.value - half, found.value + half
    return Interval(found.value, low, high, T_METHOD, found.units, found.clusters, level, found.reason)


def _bootstrap(
    quantities: Sequence[Quantity], sums: Sequence[Floats], key: str, resamples: int, level: float
) -> list[tuple[float, float, float]]:
    """(low, high, share of resamples without a value) of each."""
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


def _describe_bootstrap(analytic: Interval, low: float, high: float, empty: float) -> Interval:
    reason = analytic.reason
    if reason is not None:
        low = high = NAN
    elif empty > MOST_EMPTY:
        reason = TOO_OFTEN_EMPTY
    return Interval(
        analytic.estimate, low, high, BOOTSTRAP_METHOD, analytic.n, analytic.clusters, analytic.level, reason
    )
