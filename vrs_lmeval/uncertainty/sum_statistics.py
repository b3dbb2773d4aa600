"""Metrics as functions of sums over questions: takes their summands and clusters, gives every metric two intervals.

A mean, a ratio of means, a product of rates and a spread of means do not change if all their sums are scaled alike. So
one formula serves them all: with g the gradient at the total sums, a cluster's residual is g . (its sums), and

    s^2 = G/(G-1) * sum over clusters of residual^2     (the delta method, clustered; for a mean that of `intervals.py`)

Their bootstraps share one set of draws of clusters: a matrix product for all models and metrics together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from vrs_lmeval.records import Interval
from vrs_lmeval.uncertainty.intervals import (
    ALL_EQUAL,
    BOOTSTRAP_METHOD,
    CLUSTERS_ALIKE,
    NO_SPREAD,
    NO_VALUES,
    ONE_CLUSTER,
    T_METHOD,
    Clusters,
    Floats,
    draw_cluster_weights,
    number_clusters,
)

RESAMPLES = 10_000

MOST_EMPTY = 0.05
"""Above this share of resamples without a value (too few images have one) there is no bootstrap interval."""

NOTHING_TO_DIVIDE_BY = "its denominator is 0"
TOO_OFTEN_EMPTY = "too few clusters have values: many resamples have none"

_STATISTICS_AT_ONCE = 1000
"""Bootstrapped together: 80 MB of 10,000 resamples each."""


@dataclass(frozen=True, slots=True)
class Form:
    """`combine` maps sums (..., k) to values (...), `differentiate` sums (k,) to the gradient (k,)."""

    combine: Callable[[Floats], Floats]
    differentiate: Callable[[Floats], Floats]


@dataclass(frozen=True, slots=True)
class Statistic:
    """One metric of one model: `summands` (n, k), a row per question, zeros where it does not apply: `applies` (n,)."""

    form: Form
    summands: Floats
    applies: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Intervals:
    """The same estimate with its analytic and with its bootstrap interval."""

    analytic: Interval
    bootstrap: Interval


RATIO = Form(
    lambda sums: sums[..., 0] / sums[..., 1],
    lambda sums: np.array([1 / sums[1], -sums[0] / sums[1] ** 2]),
)
"""sums[0] / sums[1]; a mean is one whose second summand is 1."""

RATE_TIMES_COMPLEMENT = Form(
    lambda sums: sums[..., 0] / sums[..., 1] * (1 - sums[..., 2] / sums[..., 3]),
    lambda sums: np.array(
        [
            (1 - sums[2] / sums[3]) / sums[1],
            -sums[0] / sums[1] ** 2 * (1 - sums[2] / sums[3]),
            -sums[0] / sums[1] / sums[3],
            sums[0] / sums[1] * sums[2] / sums[3] ** 2,
        ]
    ),
)
"""sums[0] / sums[1] * (1 - sums[2] / sums[3])."""


def _spread(sums: Floats) -> Floats:
    return np.asarray((sums[..., :-1] / sums[..., -1:]).std(axis=-1, ddof=1))


def _spread_gradient(sums: Floats) -> Floats:
    means = sums[:-1] / sums[-1]
    deviations = means - means.mean()
    slopes = deviations / ((len(means) - 1) * _spread(sums)) / sums[-1]
    return np.append(slopes, -(slopes * means).sum())


SPREAD = Form(_spread, _spread_gradient)
"""Sample standard deviation of the means sums[:-1] / sums[-1]."""


def find_both_intervals(
    statistics: Sequence[Statistic], clusters: Clusters, *, key: str, resamples: int = RESAMPLES, level: float = 0.95
) -> list[Intervals]:
    """Of each statistic, all on the same questions with `clusters` (n,), in their order.

    The bootstrap is the percentiles over resampled clusters, drawn by `key`. NaN limits with a reason as in
    `intervals.py`.
    """
    codes, total = number_clusters(clusters, len(clusters))
    found: list[Intervals] = []
    for start in range(0, len(statistics), _STATISTICS_AT_ONCE):
        chunk = statistics[start : start + _STATISTICS_AT_ONCE]
        sums = [_sum_by_cluster(statistic.summands, codes, total) for statistic in chunk]
        images = [len(np.unique(codes[statistic.applies])) for statistic in chunk]
        limits = _bootstrap(chunk, sums, key, resamples, level)
        found += [_find_intervals(*each, level) for each in zip(chunk, sums, images, limits, strict=True)]
    return found


def _sum_by_cluster(summands: Floats, codes: npt.NDArray[np.int64], total: int) -> Floats:
    """(G, k)."""
    columns = [np.bincount(codes, weights=column, minlength=total) for column in summands.T]
    return np.stack(columns, axis=1).astype(np.float64)


def _bootstrap(
    statistics: Sequence[Statistic], sums: Sequence[Floats], key: str, resamples: int, level: float
) -> list[tuple[float, float, float]]:
    """(low, high, share of resamples without a value) of each."""
    ends = np.cumsum([of_cluster.shape[1] for of_cluster in sums])[:-1]
    joined = np.hstack(sums)
    values = np.empty((len(statistics), resamples))
    if len(joined):
        with np.errstate(divide="ignore", invalid="ignore"):
            for rows, weights in draw_cluster_weights(len(joined), key, resamples):
                for index, drawn in enumerate(np.split(weights @ joined, ends, axis=1)):
                    values[index, rows] = statistics[index].form.combine(drawn)
    values[~np.isfinite(values)] = np.nan
    empty = np.isnan(values).mean(axis=1)
    return [(*_find_percentiles(row, share, level), share) for row, share in zip(values, empty.tolist(), strict=True)]


def _find_percentiles(values: Floats, empty: float, level: float) -> tuple[float, float]:
    if empty > MOST_EMPTY:
        return float("nan"), float("nan")
    low, high = np.quantile(values[~np.isnan(values)] if empty else values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _find_intervals(
    statistic: Statistic, sums: Floats, images: int, limits: tuple[float, float, float], level: float
) -> Intervals:
    n, total = int(statistic.applies.sum()), sums.sum(axis=0)
    low, high, empty = limits
    with np.errstate(divide="ignore", invalid="ignore"):
        estimate = float(statistic.form.combine(total)) if n else float("nan")
        error = _find_error(sums, statistic.form.differentiate(total), images) if n else float("nan")
    reason = _why_degenerate(statistic, images, estimate, error)
    if reason is not None:
        nan = float("nan")
        return Intervals(
            Interval(estimate, nan, nan, T_METHOD, n, images, level, reason),
            Interval(estimate, nan, nan, BOOTSTRAP_METHOD, n, images, level, reason),
        )
    half = float(stats.t.ppf((1 + level) / 2, images - 1)) * error
    return Intervals(
        Interval(estimate, estimate - half, estimate + half, T_METHOD, n, images, level),
        Interval(
            estimate, low, high, BOOTSTRAP_METHOD, n, images, level, TOO_OFTEN_EMPTY if empty > MOST_EMPTY else None
        ),
    )


def _find_error(sums: Floats, gradient: Floats, images: int) -> float:
    """Clusters that the metric does not apply to add nothing, and do not count."""
    if images < 2:
        return float("nan")
    return float(np.sqrt(images / (images - 1) * np.square(sums @ gradient).sum()))


def _why_degenerate(statistic: Statistic, images: int, estimate: float, error: float) -> str | None:
    if not statistic.applies.any():
        return NO_VALUES
    if not np.isfinite(estimate):
        return NOTHING_TO_DIVIDE_BY
    if images < 2:
        return ONE_CLUSTER
    if not error > NO_SPREAD:  # the gradient of a spread of 0 is NaN
        applying = statistic.summands[statistic.applies]
        return ALL_EQUAL if (applying == applying[0]).all() else CLUSTERS_ALIKE
    return None
