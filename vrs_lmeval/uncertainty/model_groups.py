"""Do two groups of models differ? Per-question values of every model and their images -> intervals of the difference.

Models and images are both random units: the intervals hold for other models like these on other images like these.

- `find_group_difference`: the table shows this one. Two-way clustered variance V = V(models) + V(images) - V(both)
  (Cameron, Gelbach and Miller 2011, "Robust Inference with Multiway Clustering", J. Bus. Econ. Stat. 29:238-249), at
  least V(models), with Welch's degrees of freedom of the models.
- `bootstrap_group_difference`: resamples models, then images (the hierarchical bootstrap). With few models it is too
  narrow, since percentiles know no degrees of freedom. If models hardly differ it is too wide, since a model's
  variation on an image is counted twice. `bench/bench_intervals.py` shows the first.
- `find_matched_difference`: the same two-way formula for differences within base models.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy import stats

from vrs_lmeval.records import Interval
from vrs_lmeval.uncertainty.clusters import Clusters, Floats, make_generator, sum_columns_by_cluster
from vrs_lmeval.uncertainty.estimates import ONE_CLUSTER

GROUP_METHOD = "two-way clustered t (models and images)"
GROUP_BOOTSTRAP_METHOD = "hierarchical percentile bootstrap (models, then images)"
MATCHED_METHOD = "two-way clustered t (base models and images)"

NO_MODELS = "a group without models"
FEW_MODELS = "not enough models: each group needs two"
FEW_BASES = "not enough base models: two are needed"
MODELS_ALIKE = "the models of a group do not differ at all"

Mask = npt.NDArray[np.bool_]


def find_group_difference(columns: Floats, clusters: Clusters, is_first: Mask, level: float = 0.95) -> Interval:
    """Mean over the models of the first group minus that of the second; a column of `columns` (n, M) is a model.

    Limits are NaN with a reason if a group has fewer than two models.
    """
    images = len(np.unique(np.asarray(clusters)))
    first, second = columns[:, is_first], columns[:, ~is_first]
    estimate = _find_estimate(first, second)
    reason = _why_degenerate(first, second, images)
    of_models = [] if reason else [_variance_between_models(group) for group in (first, second)]
    if reason is None and sum(of_models) == 0:
        reason = MODELS_ALIKE
    if reason is not None:
        return _no_interval(estimate, columns, images, level, GROUP_METHOD, reason)
    signed_shares = np.where(is_first, 1 / first.shape[1], -1 / second.shape[1])
    variance = sum(of_models) + max(0.0, _variance_between_images(columns, clusters, signed_shares))
    freedom = sum(of_models) ** 2 / sum(
        part**2 / (group.shape[1] - 1) for part, group in zip(of_models, (first, second), strict=True)
    )
    half = float(stats.t.ppf((1 + level) / 2, freedom)) * math.sqrt(variance)
    return Interval(estimate, estimate - half, estimate + half, GROUP_METHOD, len(columns), images, level)


def bootstrap_group_difference(
    analytic: Interval, means: Floats, is_first: Mask, *, key: str, level: float = 0.95
) -> Interval:
    """The same difference, `analytic`, with the percentiles over resampled models and images.

    `means` (resamples, M) holds the mean of every model over resampled images, which are the same for all models
    (`clusters.resample_means`). This function draws models within each group. Limits are NaN if those of `analytic`
    are.
    """
    if analytic.reason is not None:
        return replace(analytic, method=GROUP_BOOTSTRAP_METHOD)
    generator = make_generator(key)
    sides = []
    for members in (np.flatnonzero(is_first), np.flatnonzero(~is_first)):
        drawn = members[generator.integers(0, len(members), size=(len(means), len(members)))]
        sides.append(np.take_along_axis(means, drawn, axis=1).mean(axis=1))
    low, high = np.nanquantile(sides[0] - sides[1], [(1 - level) / 2, (1 + level) / 2])
    return replace(analytic, low=float(low), high=float(high), method=GROUP_BOOTSTRAP_METHOD)


def find_matched_difference(columns: Floats, clusters: Clusters, level: float = 0.95) -> Interval:
    """Mean over base models; a column of `columns` (n, B) is the difference within one base, by question.

    What the models of a base have in common drops out, so it needs fewer models than two groups of different bases.
    Limits are NaN with a reason for fewer than two bases.
    """
    images, bases = len(np.unique(np.asarray(clusters))), columns.shape[1]
    estimate = float(np.nanmean(columns, axis=0).mean()) if bases else math.nan
    reason = FEW_BASES if bases < 2 else ONE_CLUSTER if images < 2 else None
    of_bases = _variance_between_models(columns) if reason is None else math.nan
    if of_bases == 0:
        reason = MODELS_ALIKE
    if reason is not None:
        return _no_interval(estimate, columns, images, level, MATCHED_METHOD, reason)
    variance = of_bases + max(0.0, _variance_between_images(columns, clusters, np.full(bases, 1 / bases)))
    half = float(stats.t.ppf((1 + level) / 2, bases - 1)) * math.sqrt(variance)
    return Interval(estimate, estimate - half, estimate + half, MATCHED_METHOD, len(columns), images, level)


def _find_estimate(first: Floats, second: Floats) -> float:
    if min(first.shape[1], second.shape[1]) == 0:
        return math.nan
    return float(np.nanmean(first, axis=0).mean() - np.nanmean(second, axis=0).mean())


def _why_degenerate(first: Floats, second: Floats, images: int) -> str | None:
    fewest = min(first.shape[1], second.shape[1])
    if fewest == 0:
        return NO_MODELS
    if fewest < 2:
        return FEW_MODELS
    return ONE_CLUSTER if images < 2 else None


def _variance_between_models(group: Floats) -> float:
    """The variance of the mean of a group's k models, as in Welch's test: s^2 / k."""
    means: Floats = np.nanmean(group, axis=0)
    return float(np.var(means, ddof=1)) / len(means)


def _variance_between_images(columns: Floats, clusters: Clusters, shares: Floats) -> float:
    """V(images) - V(both) of sum over models m of shares[m] * mean(column m), clustered by image."""
    counts = np.isfinite(columns).sum(axis=0)
    residuals = (columns - np.nanmean(columns, axis=0)) * shares / counts
    sums, _ = sum_columns_by_cluster(residuals, clusters)
    factor = len(sums) / (len(sums) - 1)
    return factor * float(np.square(sums.sum(axis=1)).sum() - np.square(sums).sum())


def _no_interval(estimate: float, columns: Floats, images: int, level: float, method: str, reason: str) -> Interval:
    return Interval(estimate, math.nan, math.nan, method, len(columns), images, level, reason)
